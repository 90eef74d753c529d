extension BlockPool where Policy: ~Copyable {
  /// Notes that a part of a filling block has been written, 0..<32.
  ///
  /// - Returns: Whether that was the last one, so that the block can be registered.
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func fill(_ block: BlockID, part: Int) throws(PoolError) -> Bool {
    try fillOne(block, part: part)
  }

  @inline(__always)
  private mutating func fillOne(_ block: BlockID, part: Int) throws(PoolError) -> Bool {
    guard table.holds(block, .filling) else { throw .stale(block) }
    table.marks[block.slot].missingParts &= ~(1 << UInt32(part))
    return table.marks[block.slot].missingParts == 0
  }

  /// Makes a complete block resident under its key, pinned once by the caller.
  ///
  /// Where the key is resident already, that block is pinned instead and the new one's slot is
  /// freed: equal keys mean equal bytes, and one copy is enough.
  ///
  /// - Parameter parent: The block before it in its sequence, where that is registered or filling
  ///   in this pool; a stale id is as good as nil.
  /// - Returns: The resident block.
  /// - Throws: `stale`; `incomplete`, and the block goes on filling.
  /// - Complexity: O(1) expected.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func register(
    _ block: BlockID, as key: BlockKey, after parent: BlockID?
  ) throws(PoolError) -> BlockID {
    defer { checkCounts() }
    return try registerOne(block, as: key, after: parent)
  }

  @inline(__always)
  private mutating func registerOne(
    _ block: BlockID, as key: BlockKey, after parent: BlockID?
  ) throws(PoolError) -> BlockID {
    let complete = try table.claimComplete(block)
    if let resident = index.find(key) {
      pin(slot: resident)
      return table.id(of: resident)
    }
    index.insert(key, at: complete.slot)
    let registered = complete.register()
    policy.inserted(registered, key: key, after: live(parent))
    return registered
  }

  /// Registers a run of consecutive blocks, and replaces each id by the resident block's.
  ///
  /// Single-part blocks that the caller has written itself need no `fill`: `filled` says so.
  ///
  /// - Throws: As `register`; the blocks before the refused one are registered.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func register(
    _ blocks: inout MutableSpan<BlockID>, as keys: Span<BlockKey>, after parent: BlockID?,
    filled: Bool = false
  ) throws(PoolError) {
    defer { checkCounts() }
    var parent = parent
    for position in blocks.indices {
      index.prefetch(keys[position])
      policy.prefetch(keys[position])
    }
    for position in blocks.indices {
      if filled { _ = try fillOne(blocks[position], part: 0) }
      blocks[position] = try registerOne(blocks[position], as: keys[position], after: parent)
      parent = blocks[position]
    }
  }

  /// Takes a block out of the index at once: its copy turned out bad, or somebody wants it gone.
  ///
  /// A cached block's slot is free on return; a pinned one's at its last release.
  ///
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func remove(_ block: BlockID) throws(PoolError) {
    defer { checkCounts() }
    guard table.holds(block, .registered) else { throw .stale(block) }
    pin(slot: block.slot)
    index.remove(block.slot)
    policy.removed(block.slot)
    table.marks[block.slot].state = .condemned
    try releaseOne(block)
  }

  /// The id, if its block is registered or filling; a policy must not hear of others.
  @inline(__always)
  func live(_ block: BlockID?) -> BlockID? {
    guard let block, block.slot.index < capacity else { return nil }
    let mark = table.marks[block.slot]
    guard mark.generation == block.generation else { return nil }
    return mark.state == .registered || mark.state == .filling ? block : nil
  }
}
