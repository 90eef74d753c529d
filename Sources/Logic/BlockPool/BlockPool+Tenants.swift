/// Blocks that tenants pay for; only of meaning where the policy keeps an order for each.
extension BlockPool where Policy == TierPolicy {
  /// A slot without a block, or a filling one, is a tenant's from now on.
  public mutating func own(_ slot: Slot, by tenant: TenantID) { policy.own(slot, by: tenant) }

  /// Who pays for the block of a slot, or did so last.
  public func owner(of slot: Slot) -> TenantID { policy.owner(of: slot) }

  /// How many registered blocks a tenant pays for.
  public func count(of tenant: TenantID) -> Int { policy.count(of: tenant) }

  /// Whose blocks are judged by the next calls of `admit`.
  public mutating func setAsker(_ tenant: TenantID) { policy.setAsker(tenant) }

  /// The tenant that should give a block up, of those that `mayGive` allows: the one whose least
  /// recently used block was used longest ago. Nil when none of them has one that can leave.
  ///
  /// - Complexity: O(tenants).
  public func giver(_ mayGive: (TenantID) -> Bool) -> TenantID? { policy.leastRecent(mayGive) }

  /// Evicts what a tenant can spare first; its slot is free on return.
  ///
  /// - Parameter evicted: The block that had to go is appended here.
  /// - Returns: False when nothing that the tenant pays for is cached.
  /// - Complexity: O(1) amortised, as the tenant's policy.
  public mutating func evict(of tenant: TenantID, evicted: inout [Evicted]) -> Bool {
    defer { checkCounts() }
    guard let victim = policy.takeVictim(of: tenant) else { return false }
    evicted.append(Evicted(block: table.id(of: victim), key: index.remove(victim)))
    policy.removed(victim)
    table.counts.cached -= 1
    table.reclaim(victim)
    return true
  }

  /// A tenant's blocks above normal.
  public func retainedAboveCount(of tenant: TenantID) -> Int {
    policy.retainedAboveCount(of: tenant)
  }

  /// How many of a tenant's blocks may be above normal.
  public mutating func setRetainedLimit(_ limit: Int, of tenant: TenantID) {
    policy.setRetainedLimit(limit, of: tenant)
  }

  /// Whether the block is being filled.
  public func isFilling(_ block: BlockID) -> Bool { table.holds(block, .filling) }
}
