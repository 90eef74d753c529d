/// Requests outlive their pins: a block is pinned for a match, for a load, while it comes in, and
/// not at all for a request that has it in the device. What a policy is to learn of is one use of
/// all the request's blocks together, also of those that the device had: when it is over.
extension BlockEngine {
  /// Tells the policies what time it is.
  mutating func advance(to now: Time) {
    // Finer than any policy looks.
    let moment = now.nanoseconds >> 20
    guard moment > policyMoment else { return }
    policyMoment = moment
    pools.advance(to: now.nanoseconds)
  }

  /// Something of a use is under way.
  mutating func addPending(_ use: Int?) {
    if let use { uses[use].pendingCount += 1 }
  }

  /// Something of a use is over, whatever became of it.
  mutating func endPending(_ use: Int?) throws(PoolError) {
    guard let use else { return }
    uses[use].pendingCount -= 1
    try settle(use)
  }

  /// Nobody speaks for the use any more; it is told as soon as nothing of it is under way.
  mutating func close(_ use: Int) throws(PoolError) {
    uses[use].isOver = true
    try settle(use)
  }

  private mutating func settle(_ use: Int) throws(PoolError) {
    guard uses[use].isOver, uses[use].pendingCount == 0 else { return }
    let ended = uses[use]
    uses.remove(use)
    noteReturn(ended)
    let groups = namespaces[Int(ended.namespace.rawValue)]
    for (group, place) in groups.enumerated() { try tell(ended, group, place.classID) }
  }

  /// Tells of one group's blocks, from the deepest to the first, in both tiers.
  ///
  /// - Complexity: O(blocks of the request that are there).
  private func tell(_ use: RequestUse, _ group: Int, _ classID: ClassID) throws(PoolError) {
    var name = use.lastKey.inGroup(group)
    if !isThere(name, classID) { name = use.firstKey.inGroup(group) }
    pools[.host, classID].pool.beginTouches(turnedAwayCount: use.turnedAwayCount)
    pools[.disk, classID].pool.beginTouches()
    // Keys come from outside, and nothing but their positions says that they lead to an end.
    var position = Int.max
    while let record = try touch(name, classID), Int(record.position) < position {
      position = Int(record.position)
      name = record.parentIndexKey
    }
  }

  private func isThere(_ name: BlockKey, _ classID: ClassID) -> Bool {
    pools[.host, classID].pool.contains(name) || pools[.disk, classID].pool.contains(name)
  }

  /// The block was used, wherever it is; nil when it is nowhere.
  private func touch(
    _ name: BlockKey, _ classID: ClassID
  ) throws(PoolError) -> BlockRecord? {
    var record: BlockRecord?
    for tier in [Tier.disk, .host] {
      guard let block = pools[tier, classID].pool.block(for: name) else { continue }
      try pools[tier, classID].pool.touch(block)
      record = pools[tier, classID].records[block.slot]
    }
    return record
  }

  // MARK: What is wanted

  /// Asks the host tier's policy once for each request whether its new blocks are wanted: those
  /// from `first` on, and what comes behind them.
  ///
  /// At the match, where all blocks of a prompt are named, or else with the first that are offered.
  mutating func judge(_ use: Int, _ walk: Walk, _ keys: Span<BlockKey>, from first: Int) {
    guard !uses[use].isJudged, first < walk.offeredCount, let place = walk.groups.first else {
      return
    }
    uses[use].isJudged = true
    let parentKey = first > 0 ? keys[first - 1] : walk.parentKey
    let parent = pools[.host, place.classID].pool.block(for: parentKey.inGroup(0))
    if tenants.isDivided { pools[.host, place.classID].pool.setAsker(walk.payer) }
    let count = pools[.host, place.classID].pool.admit(
      keys.extracting(first..<walk.offeredCount), after: parent, isWhole: false)
    if count == 0 { uses[use].wantedEnd = walk.firstPosition + first }
  }

  /// The position from which on a request's blocks are not wanted.
  mutating func wantedEnd(_ use: Int?, _ walk: Walk, _ keys: Span<BlockKey>) -> Int {
    guard let use else { return .max }
    if !uses[use].isJudged, let place = walk.groups.first {
      var first = 0
      while first < walk.offeredCount, pools[.host, place.classID].pool.contains(keys[first]) {
        first += 1
      }
      judge(use, walk, keys, from: first)
    }
    return uses[use].wantedEnd
  }
}
