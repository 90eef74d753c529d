import BlockPolicy

/// Evicts what was used longest ago among what was used least often, in four levels.
///
/// As in NVIDIA's KVBM: a block rises at its third, eighth and fifteenth use, and the lowest level
/// goes first. What has risen and is never used again stays until all below is gone.
struct LevelledLRU: EvictionPolicy, ~Copyable {
  private static let levelCount = 4

  /// Uses by slot, since its block came in.
  private let uses: Column<UInt8>
  private var order: SlotLists

  init(capacity: Int) {
    uses = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: Self.levelCount)
  }

  deinit { uses.deallocate() }

  private func level(of slot: Slot) -> Int {
    switch uses[slot] {
    case ..<3: 0
    case ..<8: 1
    case ..<15: 2
    default: 3
    }
  }

  mutating func inserted(_ block: BlockID, after parent: BlockID?) { uses[block.slot] = 0 }

  mutating func linked(_ block: BlockID, after parent: BlockID) {}

  mutating func pinned(_ slot: Slot) { order.unlink(slot) }

  mutating func released(_ slot: Slot) {
    uses[slot] = min(254, uses[slot]) + 1
    order.insert(slot, warmIn: level(of: slot))
  }

  mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: level(of: slot))
  }

  mutating func removed(_ slot: Slot) {}

  mutating func takeVictim() -> Slot? {
    for level in 0..<Self.levelCount {
      guard let slot = order.coldest(of: level) else { continue }
      order.unlink(slot)
      return slot
    }
    return nil
  }

  func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var count = 0
    for level in 0..<Self.levelCount {
      try order.forEach(in: level) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a candidate is not cached")
        try require(self.level(of: slot) == level, "a block is in the wrong level")
        count += 1
      }
    }
    try require(count == cachedCount, "\(count) candidates for \(cachedCount) cached blocks")
  }
}
