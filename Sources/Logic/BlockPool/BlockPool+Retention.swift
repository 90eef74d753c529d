/// Blocks that are worth more or less than others.
extension BlockPool where Policy == TierPolicy {
  /// Whether some block is of another level than normal: while none is, nothing else here needs to
  /// be asked.
  @inline(__always)
  public var hasRetained: Bool { policy.retainedCount > 0 }

  /// Whether some block is below normal.
  public var hasLow: Bool { policy.retainedBelowCount > 0 }

  /// How many blocks are above normal.
  public var retainedAboveCount: Int { policy.retainedAboveCount }

  /// How many may be; when there are as many, a newcomer takes the place of whoever is least
  /// recently used. Lowering it makes blocks normal, as far as they are cached; the others become
  /// so when they are released.
  public mutating func setRetainedLimit(_ limit: Int) { policy.setRetainedLimit(limit) }

  /// Says what a registered block is worth, beside what was said before; see `Retention.merged`.
  ///
  /// - Parameters:
  ///   - parent: The block before it in its sequence; a stale id is as good as nil.
  ///   - isFirst: Whether the block is new, and nobody's silence says that it is normal.
  /// - Returns: Whether it is worth that now; false when there is no room above normal, or the id
  ///   is stale.
  /// - Complexity: O(1).
  @discardableResult
  public mutating func retain(
    _ block: BlockID, _ retention: Retention, after parent: BlockID?, isFirst: Bool = false
  ) -> Bool {
    guard table.holds(block, .registered) else { return false }
    return policy.retain(
      block, retention, after: live(parent), isFirst: isFirst,
      isCached: table.marks[block.slot].pinCount == 0)
  }

  /// The registered block of a slot; nil when it has none.
  public func registeredBlock(in slot: Slot) -> BlockID? {
    table.marks[slot].state == .registered ? table.id(of: slot) : nil
  }

  /// Whether `retireExtent` could take the slots, were it not for one pin on some of them.
  public func isRetirable(_ slots: Range<UInt32>, butFor hasPin: (Slot) -> Bool) -> Bool {
    slots.allSatisfy { number in
      let mark = table.marks[Slot(number)]
      let ownCount: UInt32 = hasPin(Slot(number)) ? 1 : 0
      return mark.state == .free || mark.state == .registered && mark.pinCount == ownCount
    }
  }

  /// What a registered block is worth; normal for a stale id.
  public func retention(of block: BlockID) -> Retention {
    table.holds(block, .registered) ? policy.retention(of: block.slot) : .normal
  }
}
