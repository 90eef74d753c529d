/// A tier that tenants share. Only of meaning where `isDivided`.
extension TierPolicy {
  /// The chosen policy for each of so many tenants, 1 to 64, over slots `0..<capacity`.
  public init(
    _ choice: EvictionChoice, capacity: Int, retentionTickNanoseconds: UInt64 = 1 << 30,
    tenantLimit: Int
  ) {
    base = ChosenPolicy(
      choice,
      dividedInto: TenantOrders(
        choice, capacity: capacity, tickNanoseconds: retentionTickNanoseconds,
        tenantLimit: tenantLimit))
    retained = RetentionOrder(capacity: capacity, tickNanoseconds: retentionTickNanoseconds)
  }

  /// Whether each tenant has an order of its own.
  public var isDivided: Bool { base.kind == .divided }

  /// A slot without a block is taken by a tenant.
  public mutating func own(_ slot: Slot, by tenant: TenantID) {
    base.divided?.own(slot, by: tenant)
  }

  /// Who has taken the slot last.
  public func owner(of slot: Slot) -> TenantID {
    switch base.divided {
    case .some(let orders): orders.owner(of: slot)
    case .none: .standard
    }
  }

  /// How many registered blocks a tenant has.
  public func count(of tenant: TenantID) -> Int {
    switch base.divided {
    case .some(let orders): orders.count(of: tenant)
    case .none: 0
    }
  }

  /// Whose blocks are judged by the next calls of `admit`.
  public mutating func setAsker(_ tenant: TenantID) { base.divided?.setAsker(tenant) }

  /// The tenant that has not used its least recently used block for longest, of those with a block
  /// that can leave and that `mayGive` allows; nil without any.
  public func leastRecent(_ mayGive: (TenantID) -> Bool) -> TenantID? {
    switch base.divided {
    case .some(let orders): orders.leastRecent(mayGive)
    case .none: nil
    }
  }

  /// Takes what a tenant can spare first out of its order; nil when nothing of its is cached.
  public mutating func takeVictim(of tenant: TenantID) -> Slot? {
    base.divided?.takeVictim(of: tenant)
  }

  /// A tenant's blocks above normal.
  public func retainedAboveCount(of tenant: TenantID) -> Int {
    switch base.divided {
    case .some(let orders): orders.retainedAboveCount(of: tenant)
    case .none: 0
    }
  }

  /// How many of a tenant's blocks may be above normal.
  public mutating func setRetainedLimit(_ limit: Int, of tenant: TenantID) {
    base.divided?.setRetainedLimit(limit, of: tenant)
  }
}
