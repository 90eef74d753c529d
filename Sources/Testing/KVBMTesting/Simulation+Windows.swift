import BlockEngine

/// What a prefix needs, by definition: all blocks of a full group, of a windowed one the last.
extension Simulation {
  static func hasWindow(_ namespace: Int) -> Bool {
    namespaces[namespace].contains { $0.windowBlocks != nil }
  }

  /// Reads that ended without success, or too late.
  var failedReadCount: Int {
    engine.counters.readsFailed + engine.counters.readsTimedOut + engine.counters.getsFailed
      + engine.counters.getsTimedOut
  }

  /// Calls `body` with the index and the group of each block that a prefix of `count` needs.
  func forEachNeeded(
    _ namespace: Int, _ count: Int, _ body: (_ index: Int, _ group: Int) -> Void
  ) {
    for (group, place) in Self.namespaces[namespace].enumerated() {
      for index in 0..<count where place.windowBlocks.map({ count - index <= $0 }) ?? true {
        body(index, group)
      }
    }
  }

  /// A promise is a prefix that can be used, and the longest; what is pending leads to one.
  ///
  /// - Parameter keys: Those of the call.
  mutating func checkPrefix(_ match: Match, _ id: RequestID, _ keys: [BlockKey]) {
    guard let prompt = prompts[id] else { return }
    let namespace = prompt.namespace
    if match.readyCount > 0 {
      check(isReady(namespace, keys, match.readyCount), "a promise of what is not ready")
    }
    // Some are offered less: who is loading, and for whom something has failed.
    let isFree =
      !refused.contains(id) && !loads.values.contains { $0.request == id }
      && failedReadCount == prompt.failedReadCount
    if isFree && engine.refusal?.tier != .host {
      let longer = (match.readyCount..<keys.count).first { isReady(namespace, keys, $0 + 1) }
      check(longer == nil, "a longer prefix is ready than the one that was promised")
    }
    guard match.pendingCount > 0 else { return }
    if Self.hasWindow(namespace) { tally.windowedPendingBlocks += match.pendingCount }
    var (isComing, isAsked, isThere, isKnown) = (false, false, true, true)
    var awaitedCount = 0
    forEachNeeded(namespace, match.readyCount + match.pendingCount) { index, group in
      let presence = engine.presence(
        of: keys[index], group: group, in: NamespaceID(UInt16(namespace)))
      if presence.isDisjoint(with: [.host, .arriving]) {
        let isAwaited = isExpected(keys[index], group, namespace, by: id)
        if isAwaited { (isComing, awaitedCount) = (true, awaitedCount + 1) }
        if !isAwaited { isThere = false }
        // Once the store has said of the others that it has them, it is staged with them.
        if !isAwaited && presence.isDisjoint(with: [.asked, .object, .disk]) { isKnown = false }
      }
      if presence.contains(.asked) { isAsked = true }
      if presence.contains(.arriving) { isComing = true }
    }
    tally.awaitedBlocks += awaitedCount
    check(
      isComing && isThere || isAsked && isKnown, "a request waits for a block that nobody brings")
  }

  /// Whether a prefix can be used at once, by what the engine has told.
  func isReady(_ namespace: Int, _ keys: [BlockKey], _ count: Int) -> Bool {
    var isReady = true
    forEachNeeded(namespace, count) { index, group in
      let column = Int(Self.namespaces[namespace][group].classID.rawValue)
      let name = keys[index].inGroup(group)
      if !told[Int(Tier.host.rawValue)][column].contains(name) { isReady = false }
    }
    return isReady
  }

  /// A load brings exactly what its prefix needs, each block from where that very block is.
  mutating func checkPieces(_ operation: OperationID, _ pieces: [Job.Piece]) {
    guard let load = loads[operation], let prompt = prompts[load.request] else {
      return check(false, "a load that nobody asked for")
    }
    var wanted: Set<BlockRecord> = []
    forEachNeeded(prompt.namespace, load.count) { index, group in
      wanted.insert(record(prompt, load.firstPosition + index, group))
    }
    let found = Set(pieces.map(\.record))
    check(found == wanted && found.count == pieces.count, "a load of other blocks than are needed")
    for piece in pieces {
      check(engine.record(of: piece.source) == piece.record, "a load from another block")
    }
    let groupCount = Self.namespaces[prompt.namespace].count
    if pieces.count < load.count * groupCount { tally.windowedLoads += 1 }
  }

  /// A request's block at a place.
  func record(_ prompt: Prompt, _ position: Int, _ group: Int) -> BlockRecord {
    BlockRecord(
      key: prompt.names[position], parentKey: prompt.parentKeys[position],
      position: UInt32(position), group: UInt8(group),
      namespace: NamespaceID(UInt16(prompt.namespace)))
  }

  /// What is covered is there or on its way, but for what the runtime does not have any more, and
  /// that is not asked for, and for what the policy does not want.
  mutating func checkStores(
    _ answer: StoreAnswer, _ prompt: Prompt, _ positions: Range<Int>, _ firstOffered: [Int]
  ) {
    check(answer.coveredCount <= positions.count, "more was stored than was given")
    var offloadCount = 0
    var removed: Set<BlockRecord> = []
    var refused: Set<BlockRecord> = []
    for effect in engine.effects {
      switch effect {
      case .offload(_, _, let position, let group, _):
        offloadCount += 1
        check(
          position - positions.lowerBound >= firstOffered[group],
          "a block is asked for that the runtime has given up")
      case .removed(.host, let record, _):
        removed.insert(record)
      case .refused(.host, let record, _):
        refused.insert(record)
      default:
        break
      }
    }
    check(offloadCount == answer.offloadCount, "stores are not counted right")
    for position in positions.prefix(answer.coveredCount) {
      for group in firstOffered.indices
      where position - positions.lowerBound >= firstOffered[group] {
        let presence = engine.presence(
          of: prompt.keys[position], group: group, in: NamespaceID(UInt16(prompt.namespace)))
        // It may have been there, and have left for a block behind it; or nobody wants it.
        let block = record(prompt, position, group)
        let hasLeft = removed.contains(block) || refused.contains(block)
        check(
          hasLeft || !presence.isDisjoint(with: [.host, .arriving]),
          "what is covered is not there")
      }
    }
  }
}
