import BlockPolicy
import BlockPool

/// New blocks pass through a window, and stay when they were asked for more often than the next
/// victim of the main part.
///
/// Einziger et al., "TinyLFU: a highly efficient cache admission policy" (2017). How often counts
/// for keys that are absent as well, in a sketch that halves itself. The window has a hundredth of
/// the slots; the main part is segmented: what is used again there is protected, up to four fifths.
struct WTinyLFU: EvictionPolicy, ~Copyable {
  private enum Part: Int {
    case window, probation, protected
  }

  private let tags: Column<UInt32>
  private let parts: Column<UInt8>
  private var order: SlotLists
  private var counts = [0, 0, 0]
  private var sketch: FrequencySketch
  private let windowMax: Int
  private let protectedMax: Int

  init(capacity: Int) {
    tags = Column(zeroed: capacity)
    parts = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: 3)
    sketch = FrequencySketch(capacity: capacity)
    windowMax = max(1, capacity / 100)
    protectedMax = (capacity - windowMax) * 4 / 5
  }

  deinit {
    tags.deallocate()
    parts.deallocate()
  }

  mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    inserted(block, key: .none, after: parent)
  }

  mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    tags[block.slot] = RecentTags.tag(key)
    sketch.count(tags[block.slot])
    parts[block.slot] = UInt8(Part.window.rawValue)
  }

  mutating func linked(_ block: BlockID, after parent: BlockID) {}

  mutating func pinned(_ slot: Slot) {
    take(slot)
    sketch.count(tags[slot])
    if parts[slot] == UInt8(Part.probation.rawValue) {
      parts[slot] = UInt8(Part.protected.rawValue)
    }
  }

  mutating func released(_ slot: Slot) {
    put(slot)
    guard counts[Part.protected.rawValue] > protectedMax,
      let coldest = order.coldest(of: Part.protected.rawValue)
    else { return }
    move(coldest, to: .probation)
  }

  mutating func cooled(_ slot: Slot) {
    take(slot)
    order.insert(slot, coldIn: Int(parts[slot]))
    counts[Int(parts[slot])] += 1
  }

  mutating func removed(_ slot: Slot) { tags[slot] = 0 }

  mutating func takeVictim() -> Slot? {
    if counts[Part.probation.rawValue] + counts[Part.protected.rawValue] == 0 { fillMain() }
    let main =
      order.coldest(of: Part.probation.rawValue) ?? order.coldest(of: Part.protected.rawValue)
    guard let new = order.coldest(of: Part.window.rawValue),
      counts[Part.window.rawValue] > windowMax || main == nil
    else {
      if let main { take(main) }
      return main
    }
    guard let main, sketch.estimate(tags[new]) > sketch.estimate(tags[main]) else {
      take(new)
      return new
    }
    take(main)
    move(new, to: .probation)
    return main
  }

  /// While the pool fills nothing has to go, and all that the window cannot hold is let in.
  private mutating func fillMain() {
    while counts[Part.window.rawValue] > windowMax + 1,
      let slot = order.coldest(of: Part.window.rawValue)
    {
      move(slot, to: .probation)
    }
  }

  private mutating func move(_ slot: Slot, to part: Part) {
    take(slot)
    parts[slot] = UInt8(part.rawValue)
    put(slot)
  }

  private mutating func put(_ slot: Slot) {
    order.insert(slot, warmIn: Int(parts[slot]))
    counts[Int(parts[slot])] += 1
  }

  private mutating func take(_ slot: Slot) {
    order.unlink(slot)
    counts[Int(parts[slot])] -= 1
  }

  func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var total = 0
    for part in 0..<3 {
      var count = 0
      try order.forEach(in: part) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a candidate is not cached")
        try require(Int(parts[slot]) == part, "a block is in the wrong part")
        count += 1
      }
      try require(count == counts[part], "\(count) blocks in a part of \(counts[part])")
      total += count
    }
    try require(total == cachedCount, "\(total) candidates for \(cachedCount) cached blocks")
  }
}
