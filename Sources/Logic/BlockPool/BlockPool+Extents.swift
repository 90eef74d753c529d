extension BlockPool where Policy: ~Copyable {
  /// Makes slots usable; all of them are free afterwards, but for those that `adopt` names next.
  ///
  /// - Parameters:
  ///   - slots: Slots of this pool that are absent.
  ///   - adopt: Called with each slot, the last one first: the key of the block that it holds from
  ///     before, or nil for a free slot. Such a block is registered and cached; unread, so
  ///     unproven. A key that is registered already must not be named.
  /// - Complexity: O(`slots.count`), and O(usable slots) when the index grows.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func addExtent(
    _ slots: Range<UInt32>, adopt: (Slot) -> BlockKey? = { _ in nil }
  ) {
    defer { checkCounts() }
    precondition(Int(slots.upperBound) <= capacity, "an extent's slots are beyond the pool's")
    for slot in slots {
      precondition(table.marks[Slot(slot)].state == .absent, "slot \(slot) is usable already")
    }
    index.reserve(counts.usable + slots.count)
    // From the last, so that the free stack gives the first slots first.
    for number in slots.reversed() {
      let slot = Slot(number)
      guard let key = adopt(slot) else {
        table.back(slot)
        continue
      }
      index.insert(key, at: slot)
      table.adopt(slot)
      policy.adopted(table.id(of: slot), key: key)
    }
  }

  /// Evicts what is cached in the slots, and takes their memory away.
  ///
  /// - Parameter evicted: The blocks that had to go are appended here.
  /// - Returns: Whether that was possible; where a slot is pinned, filling, quarantined or absent,
  ///   nothing has changed.
  /// - Complexity: O(`slots.count` + free slots).
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func retireExtent(_ slots: Range<UInt32>, evicted: inout [Evicted]) -> Bool {
    defer { checkCounts() }
    precondition(Int(slots.upperBound) <= capacity, "an extent's slots are beyond the pool's")
    for slot in slots {
      let mark = table.marks[Slot(slot)]
      let isIdle = mark.state == .free || mark.state == .registered && mark.pinCount == 0
      guard isIdle else { return false }
    }
    for number in slots where table.marks[Slot(number)].state == .registered {
      let slot = Slot(number)
      evicted.append(Evicted(block: table.id(of: slot), key: index.remove(slot)))
      policy.pinned(slot)
      policy.removed(slot)
      table.counts.cached -= 1
      table.reclaim(slot)
    }
    table.retire(slots)
    return true
  }

  /// Names the parent of a registered block that has none yet; ids that are stale change nothing.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func link(_ block: BlockID, after parent: BlockID) {
    guard table.holds(block, .registered), live(parent) != nil else { return }
    policy.linked(block, after: parent)
  }

  /// Sends an adopted block that nobody has used since to the cold end; every other is left alone.
  @specialized(where Policy == LRU)
  @specialized(where Policy == LeafFirst)
  @specialized(where Policy == Forecast)
  @specialized(where Policy == TierPolicy)
  public mutating func coolUntouched(_ block: BlockID) {
    guard table.holds(block, .registered), table.marks[block.slot].isUntouched else { return }
    policy.cooled(block.slot)
  }
}
