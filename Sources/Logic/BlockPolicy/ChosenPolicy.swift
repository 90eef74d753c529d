import BlockIdentity

/// The policy that was chosen for a tier when the tier was made.
///
/// Exactly one of the three is there. A pool is specialised for it, so each call costs a branch
/// that always goes the same way, and the chosen policy's code is in its place.
public struct ChosenPolicy: EvictionPolicy, ~Copyable {
  /// Which policy is there.
  public let choice: EvictionChoice
  @usableFromInline var lru: LRU?
  @usableFromInline var leafFirst: LeafFirst?
  @usableFromInline var forecast: Forecast?

  /// The chosen policy for slots `0..<capacity`; the others are not made.
  public init(_ choice: EvictionChoice, capacity: Int) {
    self.choice = choice
    lru = choice == .lru ? LRU(capacity: capacity) : nil
    leafFirst = choice == .leafFirst ? LeafFirst(capacity: capacity) : nil
    forecast = choice == .forecast ? Forecast(capacity: capacity) : nil
  }

  /// Leaf-first.
  public init(capacity: Int) { self.init(.leafFirst, capacity: capacity) }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    switch choice {
    case .leafFirst: leafFirst?.inserted(block, after: parent)
    case .forecast: forecast?.inserted(block, after: parent)
    case .lru: lru?.inserted(block, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    switch choice {
    case .leafFirst: leafFirst?.inserted(block, key: key, after: parent)
    case .forecast: forecast?.inserted(block, key: key, after: parent)
    case .lru: lru?.inserted(block, key: key, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int {
    forecast?.admit(keys, after: parent, isWhole: isWhole) ?? keys.count
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func adopted(_ block: BlockID, key: BlockKey) {
    switch choice {
    case .leafFirst: leafFirst?.adopted(block, key: key)
    case .forecast: forecast?.adopted(block, key: key)
    case .lru: lru?.adopted(block, key: key)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func advance(to nanoseconds: UInt64) { forecast?.advance(to: nanoseconds) }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    switch choice {
    case .leafFirst: leafFirst?.linked(block, after: parent)
    case .forecast: forecast?.linked(block, after: parent)
    case .lru: lru?.linked(block, after: parent)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst?.pinned(slot)
    case .forecast: forecast?.pinned(slot)
    case .lru: lru?.pinned(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst?.released(slot)
    case .forecast: forecast?.released(slot)
    case .lru: lru?.released(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func rested(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst?.rested(slot)
    case .forecast: forecast?.rested(slot)
    case .lru: lru?.rested(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func beginUses(turnedAwayCount: Int) {
    forecast?.beginUses(turnedAwayCount: turnedAwayCount)
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func used(_ slot: Slot, isCached: Bool) {
    switch choice {
    case .leafFirst: leafFirst?.used(slot, isCached: isCached)
    case .forecast: forecast?.used(slot, isCached: isCached)
    case .lru: lru?.used(slot, isCached: isCached)
    }
  }

  /// As the chosen policy has it.
  public mutating func cooled(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst?.cooled(slot)
    case .forecast: forecast?.cooled(slot)
    case .lru: lru?.cooled(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst?.removed(slot)
    case .forecast: forecast?.removed(slot)
    case .lru: lru?.removed(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    switch choice {
    case .leafFirst: leafFirst!.takeVictim()
    case .forecast: forecast!.takeVictim()
    case .lru: lru!.takeVictim()
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? {
    switch choice {
    case .leafFirst: leafFirst!.likelyVictim()
    case .forecast: forecast!.likelyVictim()
    case .lru: lru!.likelyVictim()
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) {
    switch choice {
    case .leafFirst: leafFirst!.prefetch(slot)
    case .forecast: forecast!.prefetch(slot)
    case .lru: lru!.prefetch(slot)
    }
  }

  /// As the chosen policy has it.
  @inlinable @inline(__always)
  public mutating func prefetch(_ key: BlockKey) { forecast?.prefetch(key) }

  /// As the chosen policy has it, and only that one is there.
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    switch lru {
    case .some(let policy):
      try policy.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(choice != .lru, "no LRU where that was chosen")
    }
    switch leafFirst {
    case .some(let policy):
      try policy.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(choice != .leafFirst, "no leaf-first policy where that was chosen")
    }
    switch forecast {
    case .some(let policy):
      try policy.checkInvariants(cachedCount: cachedCount, isCached: isCached)
    case .none: try require(choice != .forecast, "no forecast where that was chosen")
    }
  }
}
