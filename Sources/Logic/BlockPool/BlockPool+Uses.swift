/// For owners whose requests outlive their pins: what a request uses is pinned for moments, more
/// than once perhaps, and a policy is to learn of one use, when the request is over.
extension BlockPool where Policy: ~Copyable {
  /// Gives one pin back for each id, from the last to the first; the use goes on.
  ///
  /// - Throws: `notPinned`, at the first such block from the end; those behind it are unpinned.
  /// - Complexity: O(`blocks.count`).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func unpin(_ blocks: Span<BlockID>) throws(PoolError) {
    try releaseAll(blocks, endsUse: false)
  }

  /// Gives one pin back; the use goes on.
  ///
  /// - Throws: `notPinned`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func unpin(_ block: BlockID) throws(PoolError) {
    defer { checkCounts() }
    try releaseOne(block, endsUse: false)
  }

  /// A request is over, and the blocks that it has used follow through `touch`, the last one first.
  ///
  /// - Parameter turnedAwayCount: How many blocks behind them were not admitted.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func beginTouches(turnedAwayCount: Int = 0) {
    policy.beginUses(turnedAwayCount: turnedAwayCount)
  }

  /// A registered block was used: when cached, it is the last to go from now on.
  ///
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func touch(_ block: BlockID) throws(PoolError) {
    guard table.holds(block, .registered) else { throw .stale(block) }
    table.marks[block.slot].isUntouched = false
    policy.used(block.slot, isCached: table.marks[block.slot].pinCount == 0)
  }
}
