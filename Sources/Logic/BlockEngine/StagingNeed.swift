/// What claims on some blocks would use up.
struct StagingNeed {
  var claims = 0
  var reads = 0
  var gets = 0
  /// `[class]`: blocks that nobody holds or waits for yet.
  var staged: [Int]
  /// `[class]`: host slots that can be evicted or are free now, and could not be any more.
  var slots: [Int]

  init(classCount: Int) {
    staged = Array(repeating: 0, count: classCount)
    slots = staged
  }
}

extension BlockEngine {
  /// Adds a group's block of a key, which is known, to a need; or takes it out again.
  func count(
    _ key: BlockKey, _ group: Int, _ walk: Walk, into need: inout StagingNeed, times: Int = 1
  ) {
    let classID = walk.groups[group].classID
    let row = Int(classID.rawValue)
    let name = key.inGroup(group)
    need.claims += times
    if let block = pools[.host, classID].pool.block(for: name) {
      if pools[.host, classID].notes[block.slot].holdCount == 0 { need.staged[row] += times }
      if !pools[.host, classID].pool.isHeld(block) { need.slots[row] += times }
    } else if let arrival = arriving[Place(classID: classID, key: name)] {
      if operations[arrival]?.waiters.isEmpty != false { need.staged[row] += times }
    } else if let source = source(of: name, classID) {
      if source == .disk { need.reads += times } else { need.gets += times }
      need.staged[row] += times
      need.slots[row] += times
    } else if !isAwaited(Place(classID: classID, key: name)) {
      need.staged[row] += times
    }
  }

  /// The counter of what there is too little of; nil when the need can be met.
  func shortage(_ need: StagingNeed, _ walk: Walk) -> WritableKeyPath<Counters, Int>? {
    guard need.claims <= limits.stagingClaimLimit - stagingClaimCount else {
      return \.stagingRefused
    }
    guard need.reads == 0 || need.reads <= limits.readLimit - operationCounts[.read] else {
      return \.readsRefused
    }
    guard need.gets == 0 || need.gets <= limits.getLimit - operationCounts[.get] else {
      return \.getsRefused
    }
    for index in need.staged.indices where need.staged[index] > 0 {
      let classID = ClassID(UInt8(index))
      let limit = stagingHoldLimit(classID, for: walk.entry)
      let room = limit - pools[.host, classID].stagedBlockCount
      guard need.staged[index] <= room else { return \.stagingRefused }
      let available = pools[.host, classID].pool.counts.available
      guard need.slots[index] <= available else { return \.hostExhausted }
    }
    return nil
  }
}
