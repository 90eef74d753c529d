/// How staging holds change hands and end.
extension BlockEngine {
  /// One more request holds the block; its pin is taken by the caller.
  func addHold(_ block: BlockID, _ classID: ClassID) {
    if pools[.host, classID].notes[block.slot].holdCount == 0 {
      pools[.host, classID].stagedBlockCount += 1
    }
    pools[.host, classID].notes[block.slot].holdCount += 1
  }

  /// The request waits for nothing any more, and gives back what was staged for it.
  mutating func dropStaging(of entry: Int) throws(PoolError) {
    try truncateStaging(of: entry, at: 0)
    requests[entry].stagingTarget = 0
  }

  /// The request's prefix ends before `position`: holds from there on are given back.
  mutating func truncateStaging(of entry: Int, at position: Int) throws(PoolError) {
    let groups = namespaces[Int(requests[entry].namespace.rawValue)]
    // From the last: a tail cools before its prefix.
    while let hold = requests[entry].holds.last, hold.position >= position {
      requests[entry].holds.removeLast()
      try give(back: hold, by: entry, groups)
    }
  }

  mutating func give(back hold: StagingHold, of walk: Walk) throws(PoolError) {
    try give(back: hold, by: walk.entry, walk.groups)
  }

  private mutating func give(
    back hold: StagingHold, by entry: Int, _ groups: [GroupPlace]
  ) throws(PoolError) {
    let classID = groups[hold.group].classID
    stagingClaimCount -= 1
    let waiter = Waiter(request: entry, position: hold.position, group: hold.group)
    if let expectation = hold.expectation { return leave(expectation, waiter, classID) }
    guard let operation = hold.operation else {
      pools[.host, classID].notes[hold.block.slot].holdCount -= 1
      if pools[.host, classID].notes[hold.block.slot].holdCount == 0 {
        pools[.host, classID].stagedBlockCount -= 1
      }
      return try pools[.host, classID].pool.unpin(hold.block)
    }
    guard operations[operation] != nil else { return }
    operations[operation]!.waiters.removeAll { $0 == waiter }
    if operations[operation]!.waiters.isEmpty { pools[.host, classID].stagedBlockCount -= 1 }
  }

  /// The waiters' holds on an operation become pins on its ready block.
  mutating func handOver(
    _ block: BlockID, _ classID: ClassID, to waiters: [Waiter]
  ) throws(PoolError) {
    for waiter in waiters {
      guard let index = holdIndex(of: waiter) else { continue }
      try pools[.host, classID].pool.pin(block)
      addHold(block, classID)
      requests[waiter.request].holds[index].operation = nil
      requests[waiter.request].holds[index].block = block
    }
  }

  /// Where the waiter's hold is in its request's list.
  ///
  /// - Complexity: O(log holds).
  func holdIndex(of waiter: Waiter) -> Int? {
    var (low, high) = (0, requests[waiter.request].holds.count)
    while low < high {
      let middle = (low + high) / 2
      let isBefore = requests[waiter.request].holds[middle].isBefore(
        (waiter.position, waiter.group))
      if isBefore { low = middle + 1 } else { high = middle }
    }
    let holds = requests[waiter.request].holds.count
    guard low < holds,
      requests[waiter.request].holds[low].isAt(waiter.position, waiter.group)
    else { return nil }
    return low
  }

  /// Keeps the list of requests with holds, and the time at which they give up.
  mutating func note(stagingOf entry: Int, _ now: Time) {
    guard !requests[entry].holds.isEmpty else { return }
    if requests[entry].stagingDeadline == nil {
      requests[entry].stagingDeadline = now + limits.stagingNanoseconds
    }
    if !requests[entry].isStaging {
      requests[entry].isStaging = true
      staging.append(entry)
    }
  }
}
