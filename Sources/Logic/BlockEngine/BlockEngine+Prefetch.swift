/// Reading ahead for conversations that are to be back.
///
/// Who says so gets no promise: shortly before, what only the disk has of its last request's blocks
/// is read into host memory, where it is cached like all else. Nobody waits for these reads, and
/// nothing holds what they bring; so they take what requests that wait leave over.
extension BlockEngine {
  /// A request's conversation will be back so long after the request's end. Its last word counts.
  ///
  /// - Returns: Whether that is remembered; false, and counted, when too many requests are under
  ///   way, or this one loads in another namespace.
  @discardableResult
  public mutating func expectBack(
    _ id: RequestID, in namespace: NamespaceID, after nanoseconds: UInt64
  ) -> Bool {
    guard fault == nil, accept(namespace, 0, 0) != nil else { return false }
    do throws(PoolError) {
      guard let entry = try admit(id, namespace), requests[entry].namespace == namespace else {
        counters.returnsRefused += 1
        return false
      }
      uses[requests[entry].use].backNanoseconds = nanoseconds
      return true
    } catch {
      poison(error)
      return false
    }
  }

  /// Conversations that are to be back, and whose turn has not come.
  public var expectedReturnCount: Int { prefetches.count }

  // MARK: Within the engine

  /// A request is over, and all that it brought has come.
  mutating func noteReturn(_ use: RequestUse) {
    guard let back = use.backNanoseconds, use.lastPosition >= 0, !bugs.contains(.forgetReturn)
    else { return }
    let isTaken = prefetches.insert(
      ExpectedReturn(
        namespace: use.namespace, lastKey: use.lastKey, firstKey: use.firstKey,
        backNanoseconds: back, payer: use.payer))
    if !isTaken { counters.returnsRefused += 1 }
  }

  /// Begins the reads that are due, as far as requests that wait leave room for them.
  mutating func prefetch(_ now: Time) throws(PoolError) {
    guard !prefetches.isEmpty else { return }
    let leadNanoseconds = bugs.contains(.prefetchEarly) ? .max / 2 : limits.prefetchNanoseconds
    prefetches.begin { now + $0.waitNanoseconds(leadNanoseconds) }
    // A read more or less: what is begun is read before what is decided later.
    let readLimit = bugs.contains(.prefetchGreedy) ? limits.readLimit : limits.prefetchReadLimit
    while operationCounts[.read] < readLimit {
      guard let record = prefetches.reads.popLast() else {
        guard let next = prefetches.takeDue(now) else { return }
        prefetches.reads = lacking(next).reversed()
        prefetches.payer = next.payer
        continue
      }
      let place = namespaces[Int(record.namespace.rawValue)][Int(record.group)]
      guard !isHere(record.indexKey, place.classID) else { continue }
      let isRoom = pools[.host, place.classID].stagedBlockCount < stagingShare(place.classID)
      guard isRoom, try beginRead(record, place.classID, prefetches.payer, now) != nil
      else {
        // Without this one nobody could use those behind it.
        counters.prefetchesCut += 1
        prefetches.reads = []
        continue
      }
      counters.blocksPrefetched += 1
    }
  }

  private func isHere(_ name: BlockKey, _ classID: ClassID) -> Bool {
    pools[.host, classID].pool.contains(name)
      || arriving[Place(classID: classID, key: name)] != nil
  }

  /// What a conversation's prefix needs and only the disk has, in order.
  private mutating func lacking(_ entry: ExpectedReturn) -> [BlockRecord] {
    let groups = namespaces[Int(entry.namespace.rawValue)]
    guard
      let records = lacking(behind: entry.lastKey, groups)
        ?? lacking(behind: entry.firstKey, groups)
    else {
      counters.prefetchesCut += 1
      return []
    }
    let ordered = records.sorted { ($0.position, $0.group) < ($1.position, $1.group) }
    var room = (0..<pools.classCount).map { stagingShare(ClassID(UInt8($0))) }
    let fitting = ordered.prefix { record in
      let row = Int(groups[Int(record.group)].classID.rawValue)
      room[row] -= 1
      return room[row] >= 0
    }
    guard fitting.count < ordered.count else { return ordered }
    counters.prefetchesCut += 1
    // Part of a window is of no use.
    return groups.hasWindow ? [] : Array(fitting)
  }

  /// The blocks before and with that of a key that its prefix needs and only the disk has; nil when
  /// one is nowhere.
  ///
  /// - Complexity: O(blocks of the prefix × groups).
  private func lacking(behind lastKey: BlockKey, _ groups: [GroupPlace]) -> [BlockRecord]? {
    var lacking: [BlockRecord] = []
    guard lastKey != .none else { return nil }
    for (group, place) in groups.enumerated() {
      var name = lastKey.inGroup(group)
      var rest = place.windowBlocks ?? .max
      var position = Int.max
      while rest > 0 && position > 0 {
        // Keys come from outside, and nothing but their positions says that they lead to an end.
        guard let record = knownRecord(name, place.classID), Int(record.position) < position else {
          return nil
        }
        if !isHere(name, place.classID) { lacking.append(record) }
        position = Int(record.position)
        name = record.parentIndexKey
        rest -= 1
      }
    }
    return lacking
  }

  /// The record of a block that is in some tier, or on its way into host memory.
  private func knownRecord(_ name: BlockKey, _ classID: ClassID) -> BlockRecord? {
    registeredRecord(name, classID)
      ?? arriving[Place(classID: classID, key: name)].flatMap { operations[$0]?.record }
  }
}

extension ExpectedReturn {
  /// From the request's end until its blocks are read: an eighth of the time, and what a read
  /// takes, before it is back.
  func waitNanoseconds(_ leadNanoseconds: UInt64) -> UInt64 {
    backNanoseconds - min(backNanoseconds, backNanoseconds / 8 + leadNanoseconds)
  }
}
