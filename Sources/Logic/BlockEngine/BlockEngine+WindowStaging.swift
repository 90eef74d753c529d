/// Staging where some group is windowed.
///
/// Half of a window is of no use. So the prefix that is to become ready is chosen first, the
/// longest that there is room for, and then all that it needs is held.
extension BlockEngine {
  /// As `stage`, which has looked at the deadline.
  mutating func stageWindows(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ now: Time
  ) throws(PoolError) -> Int {
    guard readyCount < walk.offeredCount || !requests[walk.entry].holds.isEmpty else { return 0 }
    // What is given back is still there when it is wanted again: nothing is evicted in between.
    var holds = try keepReady(walk, readyCount)
    var target = readyCount
    // What was begun is brought to its end: with a longer prefix in view, when there is more room,
    // its windows would be given up, and at the deadline neither might be ready.
    let begun = requests[walk.entry].stagingTarget - walk.firstPosition
    if begun > readyCount { target = chooseTarget(walk, keys, readyCount, upTo: begun) }
    if target == readyCount { target = chooseTarget(walk, keys, readyCount) }
    if target > readyCount, try !isWorthStaging(walk, keys, readyCount, target, now) {
      target = readyCount
    }
    requests[walk.entry].stagingTarget = walk.firstPosition + target
    if target > readyCount {
      // There was room for all of it. Should one be refused, the rest goes with the next match.
      let isHeld = try cover(walk, keys, readyCount..<target, &holds, now)
      if !isHeld { target = readyCount }
    }
    holds.sort { $0.isBefore(($1.position, $1.group)) }
    requests[walk.entry].holds = holds
    note(stagingOf: walk.entry, now)
    return target - readyCount
  }

  /// Gives back the request's holds but for those of its ready prefix, and returns these.
  private mutating func keepReady(
    _ walk: Walk, _ readyCount: Int
  ) throws(PoolError) -> [StagingHold] {
    let firstPending = walk.firstPosition + readyCount
    var kept: [StagingHold] = []
    // From the last: a tail cools before its prefix.
    for hold in exchange(&requests[walk.entry].holds, with: []).reversed() {
      let first = walk.groups[hold.group].windowBlocks.map { firstPending - $0 } ?? 0
      if hold.position >= first && hold.position < firstPending && isOfUse(hold, walk) {
        kept.append(hold)
      } else {
        try give(back: hold, of: walk)
      }
    }
    return kept.reversed()
  }

  // MARK: The choice

  /// The length of the longest prefix that can become ready, with what there is room for; at least
  /// `readyCount`.
  ///
  /// - Complexity: O(positions behind the ready prefix × groups), as far as there is room for full
  ///   groups' blocks.
  private mutating func chooseTarget(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, upTo end: Int = .max
  ) -> Int {
    let end = min(end, walk.offeredCount)
    var need = StagingNeed(classCount: pools.classCount)
    var lack: WritableKeyPath<Counters, Int>?
    let limit = countKnown(walk, keys, readyCount..<end, &need, &lack)
    var search = WindowSearch(walk.groups)
    var target = search.longest(upTo: limit) { group, index in isKnown(keys[index], group, walk) }
    shrink(&need, from: limit, to: target, walk, keys, isFirst: true)
    while target > readyCount, let shortage = shortage(need, walk) {
      lack = lack ?? shortage
      let next = search.longest(upTo: target - 1) { group, index in
        isKnown(keys[index], group, walk)
      }
      shrink(&need, from: target, to: next, walk, keys)
      target = next
    }
    if let lack { counters[keyPath: lack] += 1 }
    return max(target, readyCount)
  }

  /// The end of the run of positions that all full groups know, as far as there is room for their
  /// blocks, which are counted.
  private func countKnown(
    _ walk: Walk, _ keys: Span<BlockKey>, _ range: Range<Int>, _ need: inout StagingNeed,
    _ lack: inout WritableKeyPath<Counters, Int>?
  ) -> Int {
    let fullGroups = walk.groups.indices.filter { walk.groups[$0].windowBlocks == nil }
    guard !fullGroups.isEmpty else { return range.upperBound }
    for index in range {
      for group in fullGroups where !isKnown(keys[index], group, walk) { return index }
      for group in fullGroups { count(keys[index], group, walk, into: &need) }
      if let shortage = shortage(need, walk) {
        for group in fullGroups { count(keys[index], group, walk, into: &need, times: -1) }
        lack = shortage
        return index
      }
    }
    return range.upperBound
  }

  /// Makes the need of one prefix that of a shorter one; `isFirst` when windows were not counted.
  private func shrink(
    _ need: inout StagingNeed, from old: Int, to new: Int, _ walk: Walk, _ keys: Span<BlockKey>,
    isFirst: Bool = false
  ) {
    for (group, place) in walk.groups.enumerated() {
      let newFirst = new - place.neededCount(of: new)
      var oldFirst = old - place.neededCount(of: old)
      if place.windowBlocks != nil && isFirst { oldFirst = old }
      for index in max(new, oldFirst)..<old {
        count(keys[index], group, walk, into: &need, times: -1)
      }
      // A full group's need begins behind the ready prefix for both.
      guard place.windowBlocks != nil else { continue }
      for index in newFirst..<min(new, oldFirst) {
        count(keys[index], group, walk, into: &need)
      }
    }
  }

  // MARK: The holds

  /// Acquires what the prefix of the target's length needs; false when one block cannot be had.
  ///
  /// - Parameters:
  ///   - target: From the ready prefix's end to the target's.
  ///   - holds: Those of the ready prefix, in order; the new ones are appended in any order.
  private mutating func cover(
    _ walk: Walk, _ keys: Span<BlockKey>, _ target: Range<Int>, _ holds: inout [StagingHold],
    _ now: Time
  ) throws(PoolError) -> Bool {
    var kept = holds[...]
    var absent: [(index: Int, group: Int)] = []
    let first = walk.groups.map { place in
      let window = place.windowBlocks.map { bugs.contains(.stageShort) ? $0 - 1 : $0 }
      return window.map { max(0, target.upperBound - $0) } ?? target.lowerBound
    }
    for index in min(target.lowerBound, first.min() ?? 0)..<target.upperBound {
      for group in walk.groups.indices where index >= first[group] {
        let place = (walk.firstPosition + index, group)
        while let hold = kept.first, hold.isBefore(place) { kept.removeFirst() }
        if kept.first?.isAt(place.0, place.1) == true { continue }
        // What is here must be held before a read makes room for itself.
        guard isHere(keys[index], group, walk) else {
          absent.append((index, group))
          continue
        }
        guard let hold = try acquire(walk, walk.record(keys, index, group), now) else {
          return false
        }
        holds.append(hold)
      }
    }
    for (index, group) in absent {
      guard let hold = try acquire(walk, walk.record(keys, index, group), now) else {
        return false
      }
      holds.append(hold)
    }
    try holdEnds(walk, target.lowerBound, &holds)
    return true
  }

  /// Pins the last block that each group has of the ready prefix, where the budget allows; as
  /// `holdAnchor`.
  private mutating func holdEnds(
    _ walk: Walk, _ readyCount: Int, _ holds: inout [StagingHold]
  ) throws(PoolError) {
    guard readyCount > 0 else { return }
    let position = walk.firstPosition + readyCount - 1
    var heldGroups: UInt64 = 0
    for hold in holds where hold.position == position { heldGroups |= 1 << UInt64(hold.group) }
    for (group, place) in walk.groups.enumerated() where heldGroups & 1 << UInt64(group) == 0 {
      let block = requests[walk.entry].promise.lastBlock(of: group, walk.groups)
      if let hold = try hold(block, place.classID, of: walk.entry, at: position, group) {
        holds.append(hold)
      }
    }
  }
}
