import BlockIdentity

/// The policy that was chosen for a tier when the tier was made.
///
/// Exactly one of the four is there: one for all blocks, or the orders of a tier that tenants
/// share, each of which has the chosen policy of its own. A pool is specialised for it, so each
/// call costs a branch that always goes the same way, and the policy's code is in its place.
public struct ChosenPolicy: EvictionPolicy, ~Copyable {
  /// What is there.
  @usableFromInline
  enum Kind {
    case lru, leafFirst, forecast, divided
  }

  /// Which policy was chosen.
  public let choice: EvictionChoice
  @usableFromInline let kind: Kind
  @usableFromInline var lru: LRU?
  @usableFromInline var leafFirst: LeafFirst?
  @usableFromInline var forecast: OwnedValue<Forecast>?
  @usableFromInline var divided: TenantOrders?

  /// The chosen policy for slots `0..<capacity`; the others are not made.
  public init(_ choice: EvictionChoice, capacity: Int) {
    self.choice = choice
    kind =
      switch choice {
      case .lru: .lru
      case .leafFirst: .leafFirst
      case .forecast: .forecast
      }
    lru = choice == .lru ? LRU(capacity: capacity) : nil
    leafFirst = choice == .leafFirst ? LeafFirst(capacity: capacity) : nil
    forecast = choice == .forecast ? OwnedValue(Forecast(capacity: capacity)) : nil
    divided = nil
  }

  /// The orders of tenants, each by the chosen policy.
  init(_ choice: EvictionChoice, dividedInto orders: consuming TenantOrders) {
    self.choice = choice
    kind = .divided
    lru = nil
    leafFirst = nil
    forecast = nil
    divided = consume orders
  }

  /// Leaf-first.
  public init(capacity: Int) { self.init(.leafFirst, capacity: capacity) }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    switch kind {
    case .leafFirst: leafFirst?.inserted(block, after: parent)
    case .forecast: forecast?.value.inserted(block, after: parent)
    case .lru: lru?.inserted(block, after: parent)
    case .divided: divided?.inserted(block, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    switch kind {
    case .leafFirst: leafFirst?.inserted(block, key: key, after: parent)
    case .forecast: forecast?.value.inserted(block, key: key, after: parent)
    case .lru: lru?.inserted(block, key: key, after: parent)
    case .divided: divided?.inserted(block, key: key, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int {
    switch kind {
    case .leafFirst, .lru: keys.count
    case .forecast: forecast!.value.admit(keys, after: parent, isWhole: isWhole)
    case .divided: divided!.admit(keys, after: parent, isWhole: isWhole)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func adopted(_ block: BlockID, key: BlockKey) {
    switch kind {
    case .leafFirst: leafFirst?.adopted(block, key: key)
    case .forecast: forecast?.value.adopted(block, key: key)
    case .lru: lru?.adopted(block, key: key)
    case .divided: divided?.adopted(block, key: key)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func advance(to nanoseconds: UInt64) {
    switch kind {
    case .leafFirst, .lru: break
    case .forecast: forecast?.value.advance(to: nanoseconds)
    case .divided: divided?.advance(to: nanoseconds)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    switch kind {
    case .leafFirst: leafFirst?.linked(block, after: parent)
    case .forecast: forecast?.value.linked(block, after: parent)
    case .lru: lru?.linked(block, after: parent)
    case .divided: divided?.linked(block, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst?.pinned(slot)
    case .forecast: forecast?.value.pinned(slot)
    case .lru: lru?.pinned(slot)
    case .divided: divided?.pinned(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst?.released(slot)
    case .forecast: forecast?.value.released(slot)
    case .lru: lru?.released(slot)
    case .divided: divided?.released(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func rested(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst?.rested(slot)
    case .forecast: forecast?.value.rested(slot)
    case .lru: lru?.rested(slot)
    case .divided: divided?.rested(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func beginUses(turnedAwayCount: Int) {
    switch kind {
    case .leafFirst, .lru: break
    case .forecast: forecast?.value.beginUses(turnedAwayCount: turnedAwayCount)
    case .divided: divided?.beginUses(turnedAwayCount: turnedAwayCount)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func used(_ slot: Slot, isCached: Bool) {
    switch kind {
    case .leafFirst: leafFirst?.used(slot, isCached: isCached)
    case .forecast: forecast?.value.used(slot, isCached: isCached)
    case .lru: lru?.used(slot, isCached: isCached)
    case .divided: divided?.used(slot, isCached: isCached)
    }
  }

  /// As the chosen policy has it.
  public mutating func cooled(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst?.cooled(slot)
    case .forecast: forecast?.value.cooled(slot)
    case .lru: lru?.cooled(slot)
    case .divided: divided?.cooled(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst?.removed(slot)
    case .forecast: forecast?.value.removed(slot)
    case .lru: lru?.removed(slot)
    case .divided: divided?.removed(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    switch kind {
    case .leafFirst: leafFirst!.takeVictim()
    case .forecast: forecast!.value.takeVictim()
    case .lru: lru!.takeVictim()
    case .divided: divided!.takeVictim()
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? {
    switch kind {
    case .leafFirst: leafFirst!.likelyVictim()
    case .forecast: forecast!.value.likelyVictim()
    case .lru: lru!.likelyVictim()
    case .divided: divided!.likelyVictim()
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) {
    switch kind {
    case .leafFirst: leafFirst!.prefetch(slot)
    case .forecast: forecast!.value.prefetch(slot)
    case .lru: lru!.prefetch(slot)
    case .divided: divided!.prefetch(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func prefetch(_ key: BlockKey) {
    if kind == .forecast { forecast?.value.prefetch(key) }
  }

  /// As the chosen policy has it, and only that one is there.
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    switch lru {
    case .some(let policy):
      try policy.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(kind != .lru, "no LRU where that was chosen")
    }
    switch leafFirst {
    case .some(let policy):
      try policy.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(kind != .leafFirst, "no leaf-first policy where that was chosen")
    }
    switch forecast {
    case .some(let policy):
      try policy.value.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(kind != .forecast, "no forecast where that was chosen")
    }
    switch divided {
    case .some(let orders):
      try orders.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(kind != .divided, "no orders where tenants share the tier")
    }
  }
}
