extension BlockEngine {
  mutating func beginLoad(
    _ id: RequestID, _ count: Int, _ now: Time
  ) throws(PoolError) -> OperationID? {
    guard let entry = requests.entry(of: id), requests[entry].load == nil, count > 0,
      count <= requests[entry].promise.count
    else {
      counters.invalidCalls += 1
      return nil
    }
    let groups = namespaces[Int(requests[entry].namespace.rawValue)]
    // The windows of a shorter prefix are not pinned, and may not be there.
    guard
      count == requests[entry].promise.count || !groups.hasWindow || bugs.contains(.grantShorter)
    else {
      counters.shortLoadsRefused += 1
      return nil
    }
    try dropStaging(of: entry)
    requests[entry].stagingDeadline = nil
    if count < requests[entry].promise.count { try shortenPromise(of: entry, groups, to: count) }
    let partCount = groups.map(\.partCount).max() ?? 1
    let operation = try begin(
      Operation(
        kind: .load, record: BlockRecord.nothing, classID: groups[0].classID, source: .none,
        target: .none, deadline: now, outstandingParts: ~0 >> UInt32(32 - partCount),
        owner: id.engine, request: entry, byteCount: byteCount(of: count, groups)), now)
    requests[entry].load = operation
    requests[entry].isTrial = false
    onboard(requests[entry].promise, groups, operation, id)
    if let retention = retained.isEmpty ? nil : retained[id] {
      try claim(requests[entry].promise, groups, retention, now)
    }
    return operation
  }

  /// Has the blocks of a promise copied to the device, position by position.
  private mutating func onboard(
    _ promise: Promise, _ groups: [GroupPlace], _ operation: OperationID, _ id: RequestID
  ) {
    let rows = promise.rows(groups)
    for index in 0..<promise.count {
      for (group, row) in rows.enumerated() {
        let isFirst = bugs.contains(.wrongEnd)
        let place = isFirst ? row.lowerBound + index : row.upperBound - promise.count + index
        guard row.contains(place) else { continue }
        let source = BlockRef(
          tier: .host, classID: groups[group].classID, block: promise.blocks[place])
        effects.append(
          .onboard(operation, id, position: promise.first + index, group: group, from: source))
      }
    }
  }

  /// Releases what is behind the first `count` positions of a promise whose groups are all full.
  private mutating func shortenPromise(
    of entry: Int, _ groups: [GroupPlace], to count: Int
  ) throws(PoolError) {
    let promise = requests[entry].promise
    var kept = Promise(first: promise.first, count: count)
    for (group, row) in promise.rows(groups).enumerated() {
      let rest = row.dropFirst(groups[group].neededCount(of: count))
      kept.blocks += promise.blocks[row.lowerBound..<rest.lowerBound]
      if bugs.contains(.leakRest) { continue }
      try pools[.host, groups[group].classID].pool.unpin(promise.blocks.span.extracting(rest))
    }
    requests[entry].promise = kept
  }

  /// The last rank has reported: the device's blocks are quiet.
  mutating func finishLoad(_ load: Operation, _ id: OperationID) throws(PoolError) {
    counters.loadsEnded += 1
    // A load that was abandoned has no request any more.
    guard requests.isLive(load.request), requests[load.request].load == id else { return }
    let entry = load.request
    let count = requests[entry].promise.count
    if load.hasFailed {
      counters.loadsFailed += 1
      if !bugs.contains(.offerAgain) { requests[entry].offerLimit = 0 }
    } else {
      counters.blocksLoaded += requests[entry].promise.blocks.count
    }
    effects.append(.loadEnded(id, requests[entry].id, loadedCount: load.hasFailed ? 0 : count))
    requests[entry].load = nil
    try release(heldBy: entry)
    if requests[entry].isCancelled { try forget(entry) }
  }

  /// A rank found wrong bytes in the host tier: none of the load's blocks is offered any more.
  mutating func condemnSources(of load: Operation) throws(PoolError) {
    guard requests.isLive(load.request), !bugs.contains(.trustHost) else { return }
    let groups = namespaces[Int(requests[load.request].namespace.rawValue)]
    let promise = requests[load.request].promise
    for (group, row) in promise.rows(groups).enumerated() {
      for block in promise.blocks[row] {
        try removeIfFound(.host, groups[group].classID, block, .corrupt)
      }
    }
  }

  /// Takes a block out of the index, where it is still there.
  @discardableResult
  mutating func removeIfFound(
    _ tier: Tier, _ classID: ClassID, _ block: BlockID, _ reason: RemovalReason
  ) throws(PoolError) -> Bool {
    guard pools[tier, classID].pool.key(of: block) != nil else { return false }
    if tier == .host { try letGo(block.slot, classID) }
    try pools[tier, classID].pool.remove(block)
    effects.append(.removed(tier, pools[tier, classID].records[block.slot], reason))
    return true
  }

  /// Somebody found a block's bytes wrong, or wants it gone: it is found no more, and its slot is
  /// free when its users have ended.
  ///
  /// - Returns: Whether it was there.
  @discardableResult
  public mutating func remove(_ ref: BlockRef) -> Bool {
    guard fault == nil, pools.contains(ref.classID) else { return false }
    do throws(PoolError) {
      return try removeIfFound(ref.tier, ref.classID, ref.block, .requested)
    } catch {
      poison(error)
      return false
    }
  }
}
