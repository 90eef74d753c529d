import BlockPolicy

/// Ready blocks that are kept in the host tier until a time, whoever uses them.
///
/// A pin is a hold of the engine's own: one a block, with the latest end that anybody asked for. It
/// ends at its time, with `unpin`, when the block turns out wrong, and when the block's memory has
/// to go. The copy on disk is not pinned.
extension BlockEngine {
  /// Keeps a ready block until a time, or for longer where that was said before.
  ///
  /// - Returns: Whether it is pinned for so long; false, and counted, when as many blocks are so as
  ///   may be (`Limits.pinPercent`), or when the block is not ready.
  @discardableResult
  public mutating func pin(_ ref: BlockRef, until: Time) -> Bool {
    guard fault == nil, ref.tier == .host, pools.contains(ref.classID) else { return false }
    do throws(PoolError) { return try keep(ref.block, ref.classID, until: until) } catch {
      poison(error)
      return false
    }
  }

  /// Ends a block's pin before its time.
  ///
  /// - Returns: Whether it was pinned.
  @discardableResult
  public mutating func unpin(_ ref: BlockRef) -> Bool {
    guard fault == nil, let end = pinEnd(of: ref), end > 0 else { return false }
    do throws(PoolError) {
      try letGo(ref.block.slot, ref.classID)
      return true
    } catch {
      poison(error)
      return false
    }
  }

  /// Until when a ready block is pinned, in nanoseconds; nil when it is not.
  public func pinEnd(of ref: BlockRef) -> UInt64? {
    guard ref.tier == .host, finds(ref), isPinned(ref.block.slot, ref.classID) else { return nil }
    return pools[.host, ref.classID].pinEnds[ref.block.slot]
  }

  /// How many blocks of a class are pinned, and how many may be.
  public func pinnedCount(_ classID: ClassID) -> Int {
    pools.contains(classID) ? pools[.host, classID].pins.count : 0
  }

  /// How many blocks of a class may be pinned.
  public func pinnedLimit(_ classID: ClassID) -> Int {
    guard pools.contains(classID) else { return 0 }
    return pools[.host, classID].pool.counts.usable * limits.pinPercent / 100
  }

  // MARK: Within the engine

  func isPinned(_ slot: Slot, _ classID: ClassID) -> Bool {
    pools[.host, classID].pins.contains(slot)
  }

  mutating func keep(
    _ block: BlockID, _ classID: ClassID, until: Time
  ) throws(PoolError) -> Bool {
    guard pools[.host, classID].pool.key(of: block) != nil else { return false }
    let slot = block.slot
    if isPinned(slot, classID) {
      guard until.nanoseconds > pools[.host, classID].pinEnds[slot] else { return true }
    } else {
      guard pinnedCount(classID) < pinnedLimit(classID) || bugs.contains(.pinUnbounded) else {
        counters.pinsRefused += 1
        return false
      }
      if !bugs.contains(.weakPin) { try pools[.host, classID].pool.pin(block) }
      counters.blocksPinned += 1
    }
    pools[.host, classID].pinEnds[slot] = until.nanoseconds
    pools[.host, classID].pins.set(slot, until: until.nanoseconds)
    return true
  }

  /// Ends the pin of the slot's block, if there is one.
  mutating func letGo(_ slot: Slot, _ classID: ClassID) throws(PoolError) {
    guard isPinned(slot, classID) else { return }
    pools[.host, classID].pins.clear(slot)
    guard let block = pools[.host, classID].pool.registeredBlock(in: slot) else { return }
    try pools[.host, classID].pool.unpin(block)
  }

  /// Ends the pins whose time is over.
  mutating func endPins(_ now: Time) throws(PoolError) {
    for index in 0..<pools.classCount {
      let classID = ClassID(UInt8(index))
      guard pinnedCount(classID) > 0, !bugs.contains(.leakPin) else { continue }
      pools[.host, classID].pins.advance(to: now.nanoseconds)
      while let slot = pools[.host, classID].pins.nextDue { try letGo(slot, classID) }
    }
  }

  /// Memory has gone: those whose time is over next are pinned no more.
  mutating func boundPins(_ classID: ClassID) throws(PoolError) {
    while pinnedCount(classID) > pinnedLimit(classID),
      let slot = pools[.host, classID].pins.next
    {
      try letGo(slot, classID)
    }
  }

  /// Gives up the pins in slots whose memory has to go, where nothing else holds them.
  mutating func dropPins(_ slots: Range<UInt32>, _ classID: ClassID) throws(PoolError) {
    guard pinnedCount(classID) > 0 else { return }
    let isRetirable = pools[.host, classID].pool.isRetirable(slots) { isPinned($0, classID) }
    guard isRetirable else { return }
    for slot in slots { try letGo(Slot(slot), classID) }
  }

  /// Throws unless every pin is on a ready block, and there are no more than may be.
  func checkPins(_ classID: ClassID) throws(BrokenInvariant) {
    try require(pinnedCount(classID) <= pinnedLimit(classID), "too many pins")
    try pools[.host, classID].pins.checkInvariants { slot in
      guard isPinned(slot, classID),
        pools[.host, classID].pool.registeredBlock(in: slot) != nil
      else { return nil }
      return pools[.host, classID].pinEnds[slot]
    }
  }
}
