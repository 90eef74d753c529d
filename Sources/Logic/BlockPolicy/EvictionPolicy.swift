import BlockIdentity

/// Chooses which cached block leaves a full pool.
///
/// A policy sees a block's life as slots: `inserted`, then `released` and `pinned` in turn, and at
/// last `removed`. Between `released` and `pinned` the block is *cached*, and a candidate. The pool
/// keeps the pins; the policy keeps an order.
///
/// An owner whose requests outlive their pins says `rested` instead of `released`, and tells
/// through `beginUses` and `used` when a request is over.
///
/// The pool is generic over its policy and its calls are specialised for each, so a call here costs
/// no dispatch. A new policy is one file, and one `@specialized` line at each call of the pool.
public protocol EvictionPolicy: ~Copyable {
  /// A policy for slots `0..<capacity`, all empty. Must not touch memory for each of them.
  init(capacity: Int)

  /// The block was registered, and is pinned.
  ///
  /// - Parameter parent: The block before it in its sequence, where that is registered or filling.
  mutating func inserted(_ block: BlockID, after parent: BlockID?)

  /// How many of a request's last blocks, which are absent, deserve a place in a full pool: a count
  /// from the first on. A preference of the policy; the pool takes in what it is told to.
  ///
  /// - Parameters:
  ///   - parent: The block before them, where that is registered.
  ///   - isWhole: The request ends with these, and what is taken in is released together; else it
  ///     may go on, and the answer is all or none.
  mutating func admit(_ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool) -> Int

  /// A block from before a restart, which is cached, in whatever order they are found; what its
  /// past was is not known.
  mutating func adopted(_ block: BlockID, key: BlockKey)

  /// As `inserted(_:after:)`, for policies that recognise a block that was here before by its key.
  mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?)

  /// So much time has passed since an origin; never decreases. Not every owner has a clock.
  mutating func advance(to nanoseconds: UInt64)

  /// The parent of a registered block has become known late: a scan found the child first.
  mutating func linked(_ block: BlockID, after parent: BlockID)

  /// The cached block got its first pin: it is no candidate any more.
  mutating func pinned(_ slot: Slot)

  /// The block lost its last pin: it is cached from now on, as the last to go.
  mutating func released(_ slot: Slot)

  /// The block lost its last pin and is cached, but the request that used it goes on.
  mutating func rested(_ slot: Slot)

  /// A request is over; its blocks follow through `used`, the last one first.
  ///
  /// - Parameter turnedAwayCount: How many blocks it had behind them that were not admitted.
  mutating func beginUses(turnedAwayCount: Int)

  /// The request that is over has used this block, which is cached, or pinned by others.
  mutating func used(_ slot: Slot, isCached: Bool)

  /// The cached block is to go before all others that are like it.
  mutating func cooled(_ slot: Slot)

  /// The pinned or taken block leaves the pool.
  mutating func removed(_ slot: Slot)

  /// Takes the best candidate out of the order; nil only when no block is cached.
  mutating func takeVictim() -> Slot?

  /// A guess of whom `takeVictim` will take soon, at the price of a look. Changes nothing else, and
  /// wrong guesses cost time only.
  mutating func likelyVictim() -> Slot?

  /// Begins to bring near what is known of a slot, for a call that follows soon; changes
  /// nothing.
  mutating func prefetch(_ slot: Slot)

  /// Begins to bring near what is known of a key that is about to be registered; changes nothing.
  mutating func prefetch(_ key: BlockKey)

  /// Throws unless exactly the cached slots are candidates.
  ///
  /// - Complexity: O(capacity).
  func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant)
}

extension EvictionPolicy where Self: ~Copyable {
  /// All of them.
  @inlinable @inline(__always)
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int { keys.count }

  /// As one that came in and was released.
  @inlinable @inline(__always)
  public mutating func adopted(_ block: BlockID, key: BlockKey) {
    inserted(block, key: key, after: nil)
    released(block.slot)
  }

  /// It is the last to go until the request is over.
  @inlinable @inline(__always)
  public mutating func rested(_ slot: Slot) { released(slot) }

  /// No guess.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? { nil }

  /// Nothing.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) {}

  /// Nothing.
  @inlinable @inline(__always)
  public mutating func prefetch(_ key: BlockKey) {}

  /// Requests do not matter.
  @inlinable @inline(__always)
  public mutating func beginUses(turnedAwayCount: Int) {}

  /// A cached block is the last to go from now on.
  @inlinable @inline(__always)
  public mutating func used(_ slot: Slot, isCached: Bool) {
    guard isCached else { return }
    pinned(slot)
    released(slot)
  }

  /// The key does not matter.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    inserted(block, after: parent)
  }

  /// Time does not matter.
  @inlinable @inline(__always)
  public mutating func advance(to nanoseconds: UInt64) {}
}
