/// A block that had to leave for another.
public struct Evicted: Equatable, Sendable, BitwiseCopyable {
  /// The id that it had; stale from now on.
  public let block: BlockID
  /// The key that it was found by.
  public let key: BlockKey
}

extension BlockPool where Policy: ~Copyable {
  /// How many of a request's last blocks, which are absent, are worth storing: a count from the
  /// first on. While slots are free, all; then what the policy says.
  ///
  /// - Parameters:
  ///   - parent: The block before them; a stale id is as good as nil.
  ///   - isWhole: The request ends with these; else the answer is all or none.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool = true
  ) -> Int {
    keys.count <= counts.free
      ? keys.count : policy.admit(keys, after: live(parent), isWhole: isWhole)
  }

  /// Takes a slot for every element of `blocks`, or none, evicting cached blocks as needed.
  ///
  /// The blocks are *filling*: each awaits `partCount` parts (1...32), and the caller ends it
  /// through `register`, `discard` or `quarantine`. An evicted block is out of the index before
  /// this returns, so it is no longer offered when the first byte of its successor is written.
  ///
  /// - Parameter evicted: The blocks that had to go are appended here, in order.
  /// - Throws: `exhausted`; nothing was evicted.
  /// - Complexity: O(`blocks.count`).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func allocate(
    into blocks: inout MutableSpan<BlockID>, partCount: Int, evicted: inout [Evicted]
  ) throws(PoolError) {
    defer { checkCounts() }
    precondition((1...32).contains(partCount), "a block has 1 to 32 parts")
    guard blocks.count <= counts.available else {
      throw .exhausted(wanted: blocks.count, available: counts.available)
    }
    // Victims leave the index in a second pass, when their entries have come near.
    let firstVictim = evicted.count
    for position in blocks.indices {
      blocks[position] = takeSlot(&evicted).begin(partCount: partCount).park()
    }
    for position in firstVictim..<evicted.count { index.remove(evicted[position].block.slot) }
  }

  /// Takes one slot; as the batch call with one block.
  ///
  /// - Throws: `exhausted`; nothing was evicted.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func allocate(
    partCount: Int, evicted: inout [Evicted]
  ) throws(PoolError) -> BlockID {
    defer { checkCounts() }
    precondition((1...32).contains(partCount), "a block has 1 to 32 parts")
    guard counts.available > 0 else { throw .exhausted(wanted: 1, available: 0) }
    let firstVictim = evicted.count
    let block = takeSlot(&evicted).begin(partCount: partCount).park()
    if evicted.count > firstVictim { index.remove(block.slot) }
    return block
  }

  /// A free slot, or the slot of the policy's victim; there must be one. The caller takes a
  /// victim out of the index.
  @inline(__always)
  private mutating func takeSlot(_ evicted: inout [Evicted]) -> Block<Reset> {
    if let block = table.takeFree() { return block }
    guard let victim = policy.takeVictim() else {
      preconditionFailure("the policy has no victim although blocks are cached")
    }
    let key = index.key(of: victim)
    index.prefetch(key)
    evicted.append(Evicted(block: table.id(of: victim), key: key))
    policy.removed(victim)
    if let next = policy.likelyVictim() {
      policy.prefetch(next)
      index.prefetchKey(of: next)
      table.prefetch(next)
    }
    return table.recycle(victim)
  }

  /// Gives up a filling or quarantined block. Nobody may be writing to it any more.
  ///
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func discard(_ block: BlockID) throws(PoolError) {
    defer { checkCounts() }
    if table.holds(block, .quarantined) {
      table.counts.quarantined -= 1
      table.reclaim(block.slot)
    } else {
      _ = try table.claimFilling(block)
    }
  }

  /// Gives up a filling block to which somebody may still write; `discard` ends the quarantine.
  ///
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func quarantine(_ block: BlockID) throws(PoolError) {
    defer { checkCounts() }
    try table.claimFilling(block).quarantine()
  }
}
