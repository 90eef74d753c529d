/// Evicts the block whose last pin went first.
///
/// For tiers that see blocks one at a time. A pool releases a sequence's blocks from the tail, so
/// this approximates leaf-first order at 8 bytes a slot.
public struct LRU: EvictionPolicy, ~Copyable {
  /// List 0 has the cached slots, the one released last at its warm end.
  @usableFromInline var order: SlotLists

  /// A policy for slots `0..<capacity`; 8 bytes a slot.
  public init(capacity: Int) { order = SlotLists(capacity: capacity, listCount: 1) }

  /// Nothing: a pinned block has no place in the order.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {}
  /// Nothing: parents do not matter here.
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {}
  /// Nothing: a block that is pinned or taken is in no list.
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {}
  /// Takes the slot out of the order.
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) { order.unlink(slot) }
  /// Puts the slot at the warm end.
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) { order.insert(slot, warmIn: 0) }

  /// Moves the slot to the cold end, where it is the next victim.
  public mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: 0)
  }

  /// Takes the slot whose last pin went first.
  ///
  /// - Complexity: O(1).
  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    guard let slot = order.coldest(of: 0) else { return nil }
    order.unlink(slot)
    return slot
  }

  /// The slot at the cold end.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? { order.coldest(of: 0) }

  /// The slot's place in the order.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) { order.prefetch(slot) }

  /// Throws unless exactly the cached slots are in the list.
  ///
  /// - Complexity: O(cached slots).
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
