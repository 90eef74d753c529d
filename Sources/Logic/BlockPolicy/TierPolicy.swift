import BlockIdentity

/// The policy of a tier: the one that was chosen for it, and around it what blocks are said to be
/// worth.
///
/// Of two levels the lower one leaves first; within the normal level the chosen policy decides, and
/// takes all other blocks for pinned. While all blocks are normal, that costs a branch a call.
public struct TierPolicy: EvictionPolicy, ~Copyable {
  @usableFromInline var base: ChosenPolicy
  @usableFromInline var retained: RetentionOrder

  /// The chosen policy for slots `0..<capacity`.
  ///
  /// - Parameter retentionTickNanoseconds: A block is normal again within this after its time; must
  ///   be positive.
  public init(_ choice: EvictionChoice, capacity: Int, retentionTickNanoseconds: UInt64 = 1 << 30) {
    base = ChosenPolicy(choice, capacity: capacity)
    retained = RetentionOrder(capacity: capacity, tickNanoseconds: retentionTickNanoseconds)
  }

  /// Leaf-first.
  public init(capacity: Int) { self.init(.leafFirst, capacity: capacity) }

  /// Which policy was chosen.
  public var choice: EvictionChoice { base.choice }

  /// The chosen policy hears of every block.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    base.inserted(block, after: parent)
  }

  /// The chosen policy hears of every block.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    base.inserted(block, key: key, after: parent)
  }

  /// As the chosen policy has it: nothing is said of the block yet.
  @inlinable @inline(__always)
  public mutating func adopted(_ block: BlockID, key: BlockKey) {
    base.adopted(block, key: key)
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int {
    base.admit(keys, after: parent, isWhole: isWhole)
  }

  /// Whose time is over becomes normal.
  ///
  /// - Complexity: O(1) amortised over time, and O(blocks whose time is over).
  @inlinable @inline(__always)
  public mutating func advance(to nanoseconds: UInt64) {
    base.advance(to: nanoseconds)
    if retained.count > 0 { expire(nanoseconds) }
  }

  /// Both hear of it.
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    base.linked(block, after: parent)
    if retained.contains(block.slot) { retained.linked(block, after: parent) }
  }

  /// Takes the block out of its level's order.
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) {
    if retained.contains(slot) { retained.pinned(slot) } else { base.pinned(slot) }
  }

  /// Puts the block into its level's order.
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) {
    if retained.contains(slot), takeBack(retained: slot) { return }
    base.released(slot)
  }

  /// Puts the block into its level's order.
  @inlinable @inline(__always)
  public mutating func rested(_ slot: Slot) {
    if retained.contains(slot), takeBack(retained: slot) { return }
    base.rested(slot)
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func beginUses(turnedAwayCount: Int) {
    base.beginUses(turnedAwayCount: turnedAwayCount)
  }

  /// The chosen policy hears of every use; a cached block is the last to go of its level.
  @inlinable @inline(__always)
  public mutating func used(_ slot: Slot, isCached: Bool) {
    if retained.contains(slot) {
      if isCached { retained.touched(slot) }
      base.used(slot, isCached: false)
    } else {
      base.used(slot, isCached: isCached)
    }
  }

  /// Makes the block the first to go of its level.
  public mutating func cooled(_ slot: Slot) {
    if retained.contains(slot) { retained.cooled(slot) } else { base.cooled(slot) }
  }

  /// Both forget the block.
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {
    if retained.contains(slot) { retained.leave(slot) }
    base.removed(slot)
  }

  /// Takes a block of the lowest level that has a cached one.
  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    retained.count == 0 ? base.takeVictim() : takeVictimByLevel()
  }

  /// Whom the chosen policy would take: most blocks are normal.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? { base.likelyVictim() }

  /// What the chosen policy knows of the slot.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) { base.prefetch(slot) }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func prefetch(_ key: BlockKey) { base.prefetch(key) }

  @usableFromInline
  mutating func takeVictimByLevel() -> Slot? {
    if let slot = retained.takeLow() { return slot }
    if let slot = base.takeVictim() { return slot }
    return retained.takeHigh()
  }

  /// Throws unless exactly the cached slots are candidates, each in one order.
  ///
  /// - Complexity: O(capacity).
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    let retainedCount = try retained.checkInvariants(isCached: isCached)
    try base.checkInvariants(cachedCount: cachedCount - retainedCount) {
      isCached($0) && !retained.contains($0)
    }
  }
}
