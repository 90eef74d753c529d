/// The blocks of one tier and slot class: which slot holds what, and what may leave.
///
/// A block's way:
/// 1. `allocate` takes slots, evicting as needed, and gives ids of *filling* blocks.
/// 2. `fill` notes each part that succeeded; the caller does the writing, at leisure.
/// 3. `register` makes a complete block *registered*: it is found by its key, and pinned once.
/// 4. `matchPrefix` pins it again for everybody who asks; `release` takes a pin away.
/// 5. Without pins it is *cached*, and goes when its policy chooses it.
///
/// Or `discard` ends a block that nobody writes any more, and `quarantine` one of which that is not
/// known; `remove` takes a registered block out of the index at once.
///
/// A new pool has no usable slot: `addExtent` brings memory in, `retireExtent` takes it away.
/// Columns are reserved in `init` for all slots and cost nothing until used; only `addExtent`
/// allocates afterwards. Not thread-safe: the owner holds a lock or is one thread. Batch calls cost
/// one specialisation check and then straight code.
public struct BlockPool<Policy: EvictionPolicy & ~Copyable>: ~Copyable {
  var index: KeyIndex
  let table: SlotTable
  var policy: Policy
  /// How many slots there can be, usable or not.
  public let capacity: Int

  /// A pool of `capacity` slots, 0...2³¹, none of which is usable yet.
  ///
  /// - Parameter seed: Anything that a stranger does not know; equal seeds make equal pools.
  /// - Complexity: O(1).
  public init(capacity: Int, seed: UInt64) {
    Self.check(capacity)
    self.init(capacity: capacity, seed: seed, policy: Policy(capacity: capacity))
  }

  /// As above, with a policy that was made for slots `0..<capacity`.
  public init(capacity: Int, seed: UInt64, policy: consuming Policy) {
    Self.check(capacity)
    self.capacity = capacity
    index = KeyIndex(capacity: capacity, seed: seed)
    table = SlotTable(capacity: capacity)
    self.policy = policy
  }

  deinit { table.deallocate() }

  private static func check(_ capacity: Int) {
    precondition((0...Int(Int32.max)).contains(capacity), "a pool has 0 to 2³¹ - 1 slots")
  }
}

extension BlockPool where Policy: ~Copyable {
  /// Keys whose entries are brought near ahead of their lookup.
  private static var lookahead: Int { 8 }

  /// How many slots are in each state.
  @inline(__always)
  public var counts: SlotCounts { table.counts }

  /// Tells the policy what time it is, in nanoseconds since an origin; never decreases.
  @inline(__always)
  public mutating func advance(to nanoseconds: UInt64) { policy.advance(to: nanoseconds) }

  /// Whether the key is registered. Says nothing about the next moment: nothing is pinned.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public func contains(_ key: BlockKey) -> Bool { index.find(key) != nil }

  /// The registered block of the key, unpinned; nil when there is none.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public func block(for key: BlockKey) -> BlockID? { index.find(key).map(table.id(of:)) }

  /// The key that a registered block was stored under; nil for every other block and a stale id.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public func key(of block: BlockID) -> BlockKey? {
    table.holds(block, .registered) ? index.key(of: block.slot) : nil
  }

  /// Finds the longest prefix of `keys` that is registered, and writes its ids to `blocks`; pins
  /// nothing.
  ///
  /// - Returns: The length of that prefix, at most `blocks.count`.
  /// - Complexity: O(the returned count).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public func findPrefix(_ keys: Span<BlockKey>, into blocks: inout MutableSpan<BlockID>) -> Int {
    let limit = min(keys.count, blocks.count)
    var count = 0
    // Lookups do not depend on each other, so their cache misses overlap.
    for position in 0..<min(limit, Self.lookahead) { index.prefetch(keys[position]) }
    while count < limit {
      if count &+ Self.lookahead < limit { index.prefetch(keys[count &+ Self.lookahead]) }
      // Half way, the bucket has come and says where the rest is.
      let near = count &+ Self.lookahead / 2
      if near < limit, let slot = index.guess(keys[near]) {
        index.prefetchKey(of: slot)
        table.prefetch(slot)
      }
      guard let slot = index.find(keys[count]) else { break }
      blocks[count] = table.id(of: slot)
      count &+= 1
    }
    return count
  }

  /// Pins the longest prefix of `keys` that is registered, and writes its ids to `blocks`.
  ///
  /// The caller owns one pin on each and gives it back through `release`.
  ///
  /// - Returns: The length of that prefix, at most `blocks.count`.
  /// - Complexity: O(the returned count).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func matchPrefix(
    _ keys: Span<BlockKey>, into blocks: inout MutableSpan<BlockID>
  ) -> Int {
    let count = findPrefix(keys, into: &blocks)
    for position in 0..<min(count, Self.lookahead) { policy.prefetch(blocks[position].slot) }
    for position in 0..<count {
      let ahead = position &+ Self.lookahead
      if ahead < count { policy.prefetch(blocks[ahead].slot) }
      pin(slot: blocks[position].slot)
    }
    return count
  }

  /// Adds a pin to a registered block.
  ///
  /// - Throws: `stale`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func pin(_ block: BlockID) throws(PoolError) {
    guard table.holds(block, .registered) else { throw .stale(block) }
    pin(slot: block.slot)
  }

  /// Adds a pin to each of some registered blocks.
  ///
  /// - Throws: `stale`, at the first such block; those before it are pinned.
  /// - Complexity: O(`blocks.count`).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func pin(_ blocks: Span<BlockID>) throws(PoolError) {
    for position in blocks.indices {
      guard table.holds(blocks[position], .registered) else { throw .stale(blocks[position]) }
      pin(slot: blocks[position].slot)
    }
  }

  /// Gives one pin back for each id, from the last to the first, so that a tail cools before its
  /// prefix.
  ///
  /// - Throws: `notPinned`, at the first such block from the end; those behind it are released.
  /// - Complexity: O(`blocks.count`).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func release(_ blocks: Span<BlockID>) throws(PoolError) {
    try releaseAll(blocks, endsUse: true)
  }

  /// Gives one pin back.
  ///
  /// - Throws: `notPinned`.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func release(_ block: BlockID) throws(PoolError) {
    defer { checkCounts() }
    try releaseOne(block)
  }

  /// From the last to the first.
  @inline(__always)
  mutating func releaseAll(_ blocks: Span<BlockID>, endsUse: Bool) throws(PoolError) {
    defer { checkCounts() }
    var position = blocks.count
    while position > 0 {
      position &-= 1
      try releaseOne(blocks[position], endsUse: endsUse)
    }
  }

  @inline(__always)
  mutating func releaseOne(_ block: BlockID, endsUse: Bool = true) throws(PoolError) {
    let slot = block.slot
    guard slot.index < capacity else { throw .notPinned(block) }
    let mark = table.marks[slot]
    guard mark.generation == block.generation && mark.isPinnable && mark.pinCount > 0 else {
      throw .notPinned(block)
    }
    table.marks[slot].pinCount = mark.pinCount &- 1
    if mark.pinCount > 1 { return }
    table.counts.pinned &-= 1
    if mark.state == .registered {
      table.counts.cached &+= 1
      if endsUse { policy.released(slot) } else { policy.rested(slot) }
    } else {
      table.reclaim(slot)
    }
  }

  @inline(__always)
  mutating func pin(slot: Slot) {
    let pinCount = table.marks[slot].pinCount
    precondition(pinCount < .max, "too many pins on one block")
    table.marks[slot].pinCount = pinCount &+ 1
    if pinCount > 0 { return }
    table.marks[slot].isUntouched = false
    table.counts.cached &-= 1
    table.counts.pinned &+= 1
    policy.pinned(slot)
  }
}
