extension BlockPool where Policy: ~Copyable {
  /// Throws when the pool contradicts itself: counts, index, policy, pins and parts.
  ///
  /// - Returns: The sum of all pins, to be held against what the callers believe to hold.
  /// - Complexity: O(capacity).
  @discardableResult
  public func checkInvariants() throws(BrokenInvariant) -> Int {
    var seen = SlotCounts()
    var pinCount = 0
    for index in 0..<capacity {
      let slot = Slot(index: index)
      let mark = table.marks[slot]
      if mark.isPinnable { pinCount += Int(mark.pinCount) }
      switch mark.state {
      case .absent: seen.absent += 1
      case .free: seen.free += 1
      case .filling: seen.filling += 1
      case .quarantined: seen.quarantined += 1
      case .registered where mark.pinCount == 0: seen.cached += 1
      case .registered, .condemned: seen.pinned += 1
      }
      let isResident = mark.state == .registered
      try require((self.index.key(of: slot) != .none) == isResident, "keyed and not registered")
      try require(mark.state != .condemned || mark.pinCount > 0, "condemned and still there")
      try require(mark.state == .absent || mark.generation > 0, "a usable slot without generation")
    }
    try require(seen == counts, "counted \(seen), noted \(counts)")
    try table.checkFreeSlots()
    try require(counts.total == capacity, "\(counts.total) slots of \(capacity)")
    try index.checkInvariants()
    try policy.checkInvariants(cachedCount: counts.cached) { slot in
      table.marks[slot].state == .registered && table.marks[slot].pinCount == 0
    }
    return pinCount
  }

  /// Traps in test builds when the states of all slots do not add up to the capacity.
  @inline(__always)
  func checkCounts() {
    #if KVBM_CHECKS
      precondition(counts.total == capacity, "\(counts) of \(capacity) slots")
    #endif
  }

  /// Calls `body` for every registered block, by slot.
  ///
  /// - Complexity: O(capacity).
  public func forEachRegistered(_ body: (BlockID, BlockKey) -> Void) {
    for index in 0..<capacity where table.marks[Slot(index: index)].state == .registered {
      let slot = Slot(index: index)
      body(table.id(of: slot), self.index.key(of: slot))
    }
  }

  /// Whether the slot's bytes may be read or written on behalf of this id: pinned, filling or
  /// quarantined, in the same generation.
  public func isHeld(_ block: BlockID) -> Bool {
    guard block.slot.index < capacity else { return false }
    let mark = table.marks[block.slot]
    return mark.generation == block.generation && mark.state != .free && mark.state != .absent
      && (mark.state != .registered || mark.pinCount > 0)
  }
}
