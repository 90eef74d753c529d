/// Evicts the block whose last pin went first.
///
/// For tiers that see blocks one at a time. A pool releases a sequence's blocks from the tail, so
/// this approximates leaf-first order at 8 bytes a slot.
public struct LRU: EvictionPolicy, ~Copyable {
  @usableFromInline var order: SlotLists

  public init(capacity: Int) { order = SlotLists(capacity: capacity, listCount: 1) }

  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {}
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {}
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {}
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) { order.unlink(slot) }
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) { order.insert(slot, warmIn: 0) }

  public mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: 0)
  }

  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    guard let slot = order.coldest(of: 0) else { return nil }
    order.unlink(slot)
    return slot
  }

  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var count = 0
    try order.forEach(in: 0) { (slot) throws(BrokenInvariant) in
      try require(isCached(slot), "a candidate is not cached")
      count += 1
    }
    try require(count == cachedCount, "\(count) candidates for \(cachedCount) cached blocks")
  }
}
