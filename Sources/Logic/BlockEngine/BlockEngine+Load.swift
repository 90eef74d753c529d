extension BlockEngine {
  mutating func beginLoad(
    _ id: RequestID, _ count: Int, _ now: Time
  ) throws(PoolError) -> OperationID? {
    guard let entry = requests.entry(of: id), requests[entry].load == nil, count > 0,
      count <= requests[entry].heldCount
    else {
      counters.invalidCalls += 1
      return nil
    }
    let groups = namespaces[Int(requests[entry].namespace.rawValue)]
    try dropStaging(of: entry)
    requests[entry].stagingDeadline = nil
    try shortenPromise(of: entry, groups, to: count)
    let partCount = groups.map(\.partCount).max() ?? 1
    let operation = try begin(
      Operation(
        kind: .load, record: BlockRecord.nothing, classID: groups[0].classID, source: .none,
        target: .none, deadline: now, outstandingParts: ~0 >> UInt32(32 - partCount),
        owner: id.engine, request: entry))
    requests[entry].load = operation
    let held = requests[entry].held
    let first = requests[entry].heldFirst
    for index in 0..<count {
      for group in groups.indices {
        effects.append(
          .onboard(
            operation, id, position: first + index, group: group,
            from: BlockRef(
              tier: .host, classID: groups[group].classID, block: held[group * count + index])))
      }
    }
    touchDisk(held, groups)
    return operation
  }

  /// Releases what is behind the first `count` positions of a promise.
  private mutating func shortenPromise(
    of entry: Int, _ groups: [GroupPlace], to count: Int
  ) throws(PoolError) {
    let heldCount = requests[entry].heldCount
    guard count < heldCount else { return }
    var (kept, rest): ([BlockID], [BlockID]) = ([], [])
    for group in groups.indices {
      let row = requests[entry].held[(group * heldCount)..<((group + 1) * heldCount)]
      kept += row.prefix(count)
      rest += row.dropFirst(count)
    }
    requests[entry].held = kept
    requests[entry].heldCount = count
    if bugs.contains(.leakRest) { return }
    try forEachGroup(of: rest, groups) { (pool, ids) throws(PoolError) in
      try pool.release(ids)
    }
  }

  /// The disk copies of what is loaded are used as well, or the prompts that are asked for most
  /// would be the first to leave the disk.
  private func touchDisk(_ held: [BlockID], _ groups: [GroupPlace]) {
    let count = held.count / groups.count
    for group in groups.indices {
      let classID = groups[group].classID
      guard pools[.disk, classID].pool.counts.cached > 0 else { continue }
      for index in (0..<count).reversed() {
        let slot = held[group * count + index].slot
        let name = pools[.host, classID].records[slot].indexKey
        if let copy = pools[.disk, classID].pool.block(for: name) {
          try? pools[.disk, classID].pool.touch(copy)
        }
      }
    }
  }

  /// The last rank has reported: the device's blocks are quiet.
  mutating func finishLoad(_ load: Operation, _ id: OperationID) throws(PoolError) {
    counters.loadsEnded += 1
    // A load that was abandoned has no request any more.
    guard requests.isLive(load.request), requests[load.request].load == id else { return }
    let entry = load.request
    let count = requests[entry].heldCount
    if load.hasFailed {
      counters.loadsFailed += 1
      if !bugs.contains(.offerAgain) { requests[entry].offerLimit = 0 }
    } else {
      counters.blocksLoaded += requests[entry].held.count
    }
    effects.append(.loadEnded(id, requests[entry].id, loadedCount: load.hasFailed ? 0 : count))
    requests[entry].load = nil
    try release(heldBy: entry)
    if requests[entry].isCancelled { forget(entry) }
  }

  /// A rank found wrong bytes in the host tier: none of the load's blocks is offered any more.
  mutating func condemnSources(of load: Operation) throws(PoolError) {
    guard requests.isLive(load.request), !bugs.contains(.trustHost) else { return }
    let groups = namespaces[Int(requests[load.request].namespace.rawValue)]
    let held = requests[load.request].held
    let count = held.count / groups.count
    for (index, block) in held.enumerated() {
      try removeIfFound(.host, groups[index / count].classID, block, .corrupt)
    }
  }

  /// Takes a block out of the index, where it is still there.
  @discardableResult
  mutating func removeIfFound(
    _ tier: Tier, _ classID: ClassID, _ block: BlockID, _ reason: RemovalReason
  ) throws(PoolError) -> Bool {
    guard pools[tier, classID].pool.key(of: block) != nil else { return false }
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
