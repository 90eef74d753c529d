/// Tenants share the tiers: each has a limit, and what is reserved for it.
///
/// Whoever brings a copy into a tier pays for it there until it leaves: who stored it, who had it
/// read, and on disk whoever paid for it in host memory when it was written. Others that use it pay
/// nothing. What is on its way counts like what is there.
extension BlockEngine {
  /// A new tenant; the first one is `TenantID.standard`, who pays for every request that nobody
  /// else was named for.
  ///
  /// - Returns: Nil when there are `Limits.tenantLimit` already, so always when that is 0.
  public mutating func openTenant(_ share: TenantShare = TenantShare()) -> TenantID? {
    guard let tenant = tenants.open(share) else { return nil }
    for index in 0..<pools.classCount {
      for tier in Tier.allCases { setRetainedLimits(tier, ClassID(UInt8(index))) }
    }
    return tenant
  }

  /// A tenant pays for all that a request brings from now on, until the request is cancelled.
  ///
  /// - Returns: False for a tenant that was not opened, and when too many requests were assigned.
  @discardableResult
  public mutating func assign(_ request: RequestID, to tenant: TenantID) -> Bool {
    guard fault == nil,
      tenants.assign(request, to: tenant, limit: limits.requestLimit)
    else { return false }
    if let entry = requests.entry(of: request) { uses[requests[entry].use].payer = tenant }
    return true
  }

  /// How many tenants were opened.
  public var tenantCount: Int { tenants.shares.count }

  /// Who pays for a block that is held or registered in its tier.
  public func owner(of ref: BlockRef) -> TenantID {
    pools.contains(ref.classID)
      ? pools[ref.tier, ref.classID].pool.owner(of: ref.block.slot) : .standard
  }

  /// How many blocks of a class a tenant has in a tier, with those that are on their way.
  public func heldCount(_ tier: Tier, _ classID: ClassID, by tenant: TenantID) -> Int {
    guard pools.contains(classID), tenant.index < tenants.shares.count else { return 0 }
    let arrivalCount =
      bugs.contains(.forgetArrivals) ? 0 : pools[tier, classID].arrivalCounts[tenant.index]
    return pools[tier, classID].pool.count(of: tenant) + arrivalCount
  }

  /// How many it may have; any number while a scan of the tier is under way.
  public func heldLimit(_ tier: Tier, _ classID: ClassID, of tenant: TenantID) -> Int {
    guard pools.contains(classID), tenant.index < tenants.shares.count else { return 0 }
    let usable = pools[tier, classID].pool.counts.usable
    if !pools[tier, classID].adopted.isEmpty { return usable }
    let percent = tenants.shares[tenant.index][tier].limitPercent
    // A share of a few slots is one of them.
    return percent > 0 ? max(1, usable * percent / 100) : 0
  }

  /// How many nobody takes from it.
  public func reservedCount(_ tier: Tier, _ classID: ClassID, for tenant: TenantID) -> Int {
    guard pools.contains(classID), tenant.index < tenants.shares.count else { return 0 }
    return pools[tier, classID].pool.counts.usable
      * tenants.shares[tenant.index][tier].reservePercent / 100
  }

  /// Whether the block is being filled.
  package func isFilling(_ ref: BlockRef) -> Bool {
    pools.contains(ref.classID) && pools[ref.tier, ref.classID].pool.isFilling(ref.block)
  }

  // MARK: Room

  /// Sees to a free slot for a tenant: at its limit one of its own, and otherwise, where none is
  /// free, that of whoever has used what it has least, of those that have more than is reserved for
  /// them; where nobody has, one of its own.
  ///
  /// - Returns: False, and counted, when there is none for it.
  /// - Complexity: O(tenants).
  mutating func makeRoom(_ tier: Tier, _ classID: ClassID, for tenant: TenantID) -> Bool {
    var victims = takeEvictedBuffer()
    defer { evictedBuffer = victims }
    let limit = heldLimit(tier, classID, of: tenant)
    while heldCount(tier, classID, by: tenant) >= limit, !bugs.contains(.ignoreShare) {
      let giver =
        bugs.contains(.takeFromOthers)
        ? pools[tier, classID].pool.giver { _ in true } ?? tenant : tenant
      guard pools[tier, classID].pool.evict(of: giver, evicted: &victims) else {
        tell(removed: victims, tier, classID, .overShare)
        countOverShare(tier)
        return false
      }
      if giver != tenant { break }
    }
    tell(removed: victims, tier, classID, .overShare)
    guard pools[tier, classID].pool.counts.free == 0,
      pools[tier, classID].pool.counts.cached > 0
    else { return true }
    victims.removeAll(keepingCapacity: true)
    let giver = pools[tier, classID].pool.giver { hasMoreThanReserved($0, tier, classID) }
    guard pools[tier, classID].pool.evict(of: giver ?? tenant, evicted: &victims) else {
      countOverShare(tier)
      return false
    }
    tell(removed: victims, tier, classID, .evicted)
    return true
  }

  private func hasMoreThanReserved(
    _ tenant: TenantID, _ tier: Tier, _ classID: ClassID
  ) -> Bool {
    bugs.contains(.ignoreReserve)
      || heldCount(tier, classID, by: tenant) > reservedCount(tier, classID, for: tenant)
  }

  private mutating func countOverShare(_ tier: Tier) {
    if tier == .host { counters.hostOverShare += 1 } else { counters.diskOverShare += 1 }
  }

  /// Memory has gone, or a scan is over, or somebody has let go of a block: what a tenant has
  /// beyond its limit leaves, as far as nobody uses it.
  mutating func boundTenants(_ tier: Tier, _ classID: ClassID) {
    guard tenants.isDivided, !bugs.contains(.ignoreShare) else { return }
    var victims = takeEvictedBuffer()
    defer { evictedBuffer = victims }
    for tenant in tenants.tenants {
      let limit = heldLimit(tier, classID, of: tenant)
      while heldCount(tier, classID, by: tenant) > limit,
        pools[tier, classID].pool.evict(of: tenant, evicted: &victims)
      {}
    }
    tell(removed: victims, tier, classID, .overShare)
  }

  /// As above, in all tiers and classes.
  mutating func boundTenants() {
    guard tenants.isDivided else { return }
    for index in 0..<pools.classCount {
      for tier in Tier.allCases { boundTenants(tier, ClassID(UInt8(index))) }
    }
  }

  // MARK: What is on its way

  /// A slot is being filled for a tenant.
  func noteArrival(_ operation: Operation) {
    guard tenants.isDivided else { return }
    let (tier, classID) = (operation.tier, operation.classID)
    pools[tier, classID].pool.own(operation.target.slot, by: operation.payer)
    pools[tier, classID].arrivalCounts[operation.payer.index] += 1
  }

  /// It is registered now, or given up.
  func noteArrivalEnd(_ operation: Operation) {
    guard tenants.isDivided else { return }
    pools[operation.tier, operation.classID].arrivalCounts[operation.payer.index] -= 1
  }

  // MARK: Levels

  /// How many of a tenant's blocks of a class may be above normal in a tier: as large a part of its
  /// share as all may have of the tier.
  public func retainedLimit(_ tier: Tier, _ classID: ClassID, of tenant: TenantID) -> Int {
    let limit = heldLimit(tier, classID, of: tenant)
    guard pools.contains(classID), pools[tier, classID].adopted.isEmpty else { return limit }
    return bugs.contains(.retainUnbounded) ? limit : limit * limits.retentionPercent / 100
  }

  /// How many of its blocks are.
  public func retainedCount(_ tier: Tier, _ classID: ClassID, of tenant: TenantID) -> Int {
    pools.contains(classID) ? pools[tier, classID].pool.retainedAboveCount(of: tenant) : 0
  }

  /// Says to a pool how many blocks may be above normal, of all or of each tenant.
  func setRetainedLimits(_ tier: Tier, _ classID: ClassID) {
    guard tenants.isDivided else {
      return pools[tier, classID].pool.setRetainedLimit(retainedLimit(tier, classID))
    }
    for tenant in tenants.tenants {
      pools[tier, classID].pool.setRetainedLimit(
        retainedLimit(tier, classID, of: tenant), of: tenant)
    }
  }

  // MARK: Checks

  /// Throws unless all that is there, and on its way, is counted at whoever pays for it.
  func checkTenants() throws(BrokenInvariant) {
    guard tenants.isDivided else { return }
    for index in 0..<pools.classCount {
      let classID = ClassID(UInt8(index))
      for tier in Tier.allCases {
        var counts = [Int](repeating: 0, count: tenants.limit)
        pools[tier, classID].pool.forEachRegistered { block, _ in
          counts[pools[tier, classID].pool.owner(of: block.slot).index] += 1
        }
        var arrivals = [Int](repeating: 0, count: tenants.limit)
        operations.visit { _, operation in
          guard operation.kind.hasTarget, !operation.hasTimedOut, operation.tier == tier,
            operation.classID == classID
          else { return }
          arrivals[operation.payer.index] += 1
        }
        try require(
          arrivals == pools[tier, classID].arrivalCounts, "what is on its way is not paid for")
        for tenant in tenants.tenants {
          try require(
            pools[tier, classID].pool.count(of: tenant) == counts[tenant.index],
            "a tenant's blocks are not counted right")
        }
      }
    }
  }
}
