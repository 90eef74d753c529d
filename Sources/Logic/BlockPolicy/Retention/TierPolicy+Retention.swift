/// How blocks change between levels.
extension TierPolicy {
  /// Blocks of other levels than normal.
  public var retainedCount: Int {
    switch base.divided {
    case .some(let orders): orders.retainedCount
    case .none: retained.count
    }
  }

  /// Those above it.
  public var retainedAboveCount: Int {
    switch base.divided {
    case .some(let orders): orders.retainedAboveCount
    case .none: retained.aboveCount
    }
  }

  /// Those below it.
  public var retainedBelowCount: Int { retainedCount - retainedAboveCount }

  /// What is said of the slot's block.
  public func retention(of slot: Slot) -> Retention {
    switch base.divided {
    case .some(let orders): orders.retention(of: slot)
    case .none: retained.retention(of: slot)
    }
  }

  /// How many blocks may be above normal. As many as are cached become normal when it is lowered.
  public mutating func setRetainedLimit(_ limit: Int) {
    retained.limit = limit
    while retained.aboveCount > limit, let slot = retained.coldestHigh {
      makeNormal(slot, isCached: true)
    }
  }

  /// Says what a block is worth, beside what was said before.
  ///
  /// - Parameter isFirst: Whether nothing was said before, not even by silence.
  /// - Returns: False when there is no room above normal: it is normal then.
  public mutating func retain(
    _ block: BlockID, _ said: Retention, after parent: BlockID?, isFirst: Bool, isCached: Bool
  ) -> Bool {
    if let isGranted = base.divided?.retain(
      block, said, after: parent, isFirst: isFirst, isCached: isCached)
    {
      return isGranted
    }
    let slot = block.slot
    let old = retained.retention(of: slot)
    let new = isFirst ? said : old.merged(with: said)
    guard new.level != old.level else {
      if new.level != .normal && new != old { retained.note(new, slot) }
      return true
    }
    if isCached { pinned(slot) }
    if old.level != .normal { retained.leave(slot) }
    let isGranted = new.level == .normal || enter(block, new, after: parent)
    if isCached { rested(slot) }
    return isGranted
  }

  /// Gives the block, which is in nobody's order, a level, where there is room.
  private mutating func enter(
    _ block: BlockID, _ retention: Retention, after parent: BlockID?
  ) -> Bool {
    guard retention.level < .normal || retained.limit > 0 else { return false }
    // First, so that its parent is no leaf any more, and stays.
    retained.enter(block, retention, after: parent)
    guard retention.level > .normal && retained.aboveCount > retained.limit else { return true }
    guard let other = retained.displaced(by: retention.level) else {
      retained.leave(block.slot)
      return false
    }
    makeNormal(other, isCached: true)
    return true
  }

  private mutating func makeNormal(_ slot: Slot, isCached: Bool) {
    if isCached { retained.pinned(slot) }
    retained.leave(slot)
    // Nobody has used it: there is nothing to learn.
    if isCached { base.rested(slot) }
  }

  /// Puts a block whose use has ended or rests back into its level's order.
  ///
  /// - Returns: False when too many are above normal by now: it has left its level, and is the
  ///   chosen policy's.
  @usableFromInline
  mutating func takeBack(retained slot: Slot) -> Bool {
    let isAbove = retained.retention(of: slot).level > .normal
    guard isAbove && retained.aboveCount > retained.limit else {
      retained.released(slot)
      return true
    }
    retained.leave(slot)
    return false
  }

  @usableFromInline
  mutating func expire(_ nanoseconds: UInt64) {
    retained.advance(to: nanoseconds)
    while let slot = retained.nextDue { makeNormal(slot, isCached: retained.isListed(slot)) }
  }
}
