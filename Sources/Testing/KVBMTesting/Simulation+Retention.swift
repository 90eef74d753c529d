import BlockEngine
import BlockPolicy

/// What requests say of their blocks' worth, and who pins blocks.
extension Simulation {
  /// A request says what its blocks are worth.
  mutating func retain() {
    guard !live.isEmpty else { return }
    let id = live[random.below(live.count)]
    guard let prompt = prompts[id] else { return }
    let ranges = (0...random.below(3)).map { _ in anyRange(prompt.keys.count) }
    let isTaken = engine.retain(id, ranges)
    let isTooMuch =
      ranges.count > limits.retentionRangeLimit
      || said[id] == nil && said.count >= limits.requestLimit
    check(isTaken != isTooMuch, "a request's word was taken, or not")
    if isTaken { said[id] = ranges }
    for range in ranges {
      tell(
        "\(id.words) says \(range.priority) of \(range.positions) for \(range.nanoseconds)"
          + (range.isPinned ? ", pinned" : "") + (isTaken ? "" : ": in vain"))
    }
  }

  private mutating func anyRange(_ count: Int) -> RetentionRange {
    let first = random.below(count)
    let end = random.oneIn(2) ? Int.max : first + 1 + random.below(count)
    let isPinned = random.oneIn(4)
    let isForever = !isPinned && random.oneIn(3)
    return RetentionRange(
      positions: first..<end, priority: [0, 24, 25, 60, 75, 99, 100][random.below(7)],
      nanoseconds: isForever ? .max : 1 + UInt64(random.below(3000)), isPinned: isPinned)
  }

  /// A request has offered or loaded blocks, its tail perhaps: it claims them, and all before them.
  ///
  /// - Parameter first: `[group]`: the first position of the group's blocks.
  mutating func noteClaims(_ id: RequestID, _ prompt: Prompt, _ first: [Int], _ end: Int) {
    guard let ranges = said[id] else { return }
    let keys = prompt.keys + [prompt.tailName].compactMap { $0 }
    for (group, place) in Self.namespaces[prompt.namespace].enumerated() {
      for position in first[group]..<max(first[group], min(end, keys.count)) {
        let worth = ranges.worth(at: position, time.nanoseconds)
        for key in keys[...position] {
          worths[Int(place.classID.rawValue)].note(worth, key.inGroup(group))
        }
      }
    }
  }

  /// Somebody wants a ready block to stay.
  mutating func pin() {
    guard let ref = anyReady() else { return }
    let until = time + UInt64(1 + random.below(3000))
    let wasPinned = engine.pinEnd(of: ref) != nil
    let isFull =
      engine.pinnedCount(ref.classID) >= limit(.host, ref.classID, limits.pinPercent)
    let isPinned = engine.pin(ref, until: until)
    check(isPinned == (wasPinned || !isFull), "a pin was granted, or not")
    tell("\(ref.words) is\(isPinned ? "" : " not") pinned until \(until.nanoseconds)")
    if isPinned, let record = engine.record(of: ref) {
      let name = record.key.inGroup(Int(record.group))
      let column = Int(ref.classID.rawValue)
      pins[column][name] = max(pins[column][name] ?? 0, until.nanoseconds)
    }
  }

  /// Somebody does not want it any more.
  mutating func unpin() {
    guard let ref = anyReady(), engine.pinEnd(of: ref) != nil else { return }
    check(engine.unpin(ref) && engine.pinEnd(of: ref) == nil, "a pin did not end")
    tell("\(ref.words) is pinned no more")
    if let record = engine.record(of: ref) {
      pins[Int(ref.classID.rawValue)][record.key.inGroup(Int(record.group))] = nil
    }
  }

  private mutating func anyReady() -> BlockRef? {
    let classID = ClassID(UInt8(random.below(2)))
    var blocks: [BlockID] = []
    engine.forEachRegistered(.host, classID) { block, _ in blocks.append(block) }
    guard !blocks.isEmpty else { return nil }
    return BlockRef(tier: .host, classID: classID, block: blocks[random.below(blocks.count)])
  }

  /// Memory has gone, and with it room for pins: which have ended, only the engine knows.
  mutating func forgetDroppedPins(_ classID: ClassID) {
    var pinned: Set<BlockKey> = []
    engine.forEachRegistered(.host, classID) { block, record in
      let ref = BlockRef(tier: .host, classID: classID, block: block)
      if engine.pinEnd(of: ref) != nil { pinned.insert(record.key.inGroup(Int(record.group))) }
    }
    let column = Int(classID.rawValue)
    pins[column] = pins[column].filter { pinned.contains($0.key) }
  }

  /// Everybody lets go.
  mutating func unpinAll() {
    for column in 0..<2 {
      let classID = ClassID(UInt8(column))
      var blocks: [BlockID] = []
      engine.forEachRegistered(.host, classID) { block, _ in blocks.append(block) }
      for block in blocks {
        engine.unpin(BlockRef(tier: .host, classID: classID, block: block))
      }
      check(engine.pinnedCount(classID) == 0, "a pin that nobody can end")
    }
    pins = [[:], [:]]
  }
}
