import BlockPolicy

/// What blocks are worth, by what requests say of them.
extension BlockEngine {
  /// Remembers what a request says of its blocks' worth until it ends, in place of what it said
  /// before; it holds for what is offered and loaded from now on.
  ///
  /// A block is worth the most of what any request says of it and of what goes on behind it, and
  /// of two kinds there are bounds: above normal, and pinned (`Limits`). What is beyond them is
  /// treated like everything else.
  ///
  /// - Returns: Whether it is remembered; false, and counted, when too many requests have spoken or
  ///   this one has more than `Limits.retentionRangeLimit` ranges.
  @discardableResult
  public mutating func retain(_ id: RequestID, _ ranges: [RetentionRange]) -> Bool {
    guard fault == nil else { return false }
    let isKnown = retained[id] != nil
    guard ranges.count <= limits.retentionRangeLimit,
      isKnown || retained.count < limits.requestLimit
    else {
      counters.retentionsRefused += 1
      return false
    }
    retained[id] = RequestRetention(ranges, isPlain: bugs.contains(.forgetBehind))
    return true
  }

  /// What a block in a tier is worth now; normal for a stale reference.
  public func retention(of ref: BlockRef) -> Retention {
    pools.contains(ref.classID)
      ? pools[ref.tier, ref.classID].pool.retention(of: ref.block) : .normal
  }

  /// How many blocks of a class are above normal in a tier.
  public func retainedCount(_ tier: Tier, _ classID: ClassID) -> Int {
    pools.contains(classID) ? pools[tier, classID].pool.retainedAboveCount : 0
  }

  /// Whether some block of a class is not normal in a tier.
  public func hasRetained(_ tier: Tier, _ classID: ClassID) -> Bool {
    pools.contains(classID) && pools[tier, classID].pool.hasRetained
  }

  /// How many blocks of a class may be above normal in a tier; while extents are scanned, any
  /// number: what one brings may be the share of all.
  public func retainedLimit(_ tier: Tier, _ classID: ClassID) -> Int {
    guard pools.contains(classID) else { return 0 }
    let usable = pools[tier, classID].pool.counts.usable
    if !pools[tier, classID].adopted.isEmpty { return usable }
    return bugs.contains(.retainUnbounded) ? usable : usable * limits.retentionPercent / 100
  }

  // MARK: Claims

  /// A request claims a registered block, and with it all that is before it: without its beginning
  /// a sequence is worth nothing.
  ///
  /// - Parameter isNew: Whether nothing was said of the block before.
  /// - Complexity: O(1), when those before it are claimed already; else O(their number).
  mutating func claim(
    _ block: BlockID, _ tier: Tier, _ classID: ClassID, _ claim: Claim, isNew: Bool = false
  ) throws(PoolError) {
    if tier == .host && claim.pinnedUntil > 0 {
      _ = try keep(block, classID, until: Time(nanoseconds: claim.pinnedUntil))
    }
    // Whoever says nothing of a block's worth still wants it, and no less than others.
    guard !claim.isNormal || pools[tier, classID].pool.hasLow else { return }
    var record = pools[tier, classID].records[block.slot]
    var parent = pools[tier, classID].parent(of: record)
    pools[tier, classID].pool.retain(block, claim.worth, after: parent, isFirst: isNew)
    // No more than what was granted, lest a beginning be kept for an end that is not.
    let worth = pools[tier, classID].pool.retention(of: block)
    while let ancestor = parent {
      let before = pools[tier, classID].pool.retention(of: ancestor)
      guard before.merged(with: worth) != before else { return }
      record = pools[tier, classID].records[ancestor.slot]
      parent = pools[tier, classID].parent(of: record)
      guard pools[tier, classID].pool.retain(ancestor, worth, after: parent) else { return }
    }
  }

  /// A request claims the blocks that it loads.
  mutating func claim(
    _ promise: Promise, _ groups: [GroupPlace], _ retention: RequestRetention, _ now: Time
  ) throws(PoolError) {
    for (group, row) in promise.rows(groups).enumerated() {
      for (index, block) in promise.blocks[row].enumerated() {
        let position = promise.first + promise.count - row.count + index
        let claim = retention.claim(at: position, now)
        try self.claim(block, .host, groups[group].classID, claim)
        let name = pools[.host, groups[group].classID].records[block.slot].indexKey
        try claimOnDisk(name, groups[group].classID, claim)
      }
    }
  }

  /// As `claim`, for the copy on disk, if there is one.
  mutating func claimOnDisk(
    _ name: BlockKey, _ classID: ClassID, _ claim: Claim
  ) throws(PoolError) {
    guard !claim.isNormal || pools[.disk, classID].pool.hasLow,
      let copy = pools[.disk, classID].pool.block(for: name)
    else { return }
    try self.claim(copy, .disk, classID, claim)
  }

  /// What an operation's target is worth: what those say who offered it, and no less than the copy
  /// in the other tier.
  func claim(ofTarget operation: Operation) -> Claim {
    let other: Tier = operation.tier == .host ? .disk : .host
    let said = operation.claim
    guard said?.worth.level ?? .low < .normal || pools[other, operation.classID].pool.hasRetained,
      let copy = pools[other, operation.classID].pool.block(for: operation.record.indexKey)
    else { return said ?? .normal }
    let worth = pools[other, operation.classID].pool.retention(of: copy)
    let claim = Claim(worth: worth, pinnedUntil: 0)
    return said?.merged(with: claim) ?? claim
  }

  /// Memory has come or gone, and with it room above normal, and for pins.
  mutating func boundRetained(_ tier: Tier, _ classID: ClassID) throws(PoolError) {
    setRetainedLimits(tier, classID)
    if tier == .host { try boundPins(classID) }
  }
}
