import BlockEngine
import KVLayout

extension NodeState {
  /// A request has named who pays for what it brings; an empty name says nothing.
  mutating func assign(_ id: RequestID, to name: String, _ session: Session, _ now: Time) {
    guard tenants.settings != nil, !name.isEmpty, TenantSettings.isName(name) else { return }
    let tenant = tenants.id(of: name, in: &engine)
    guard engine.assign(id, to: tenant) else { return }
    requests.update(id, session.namespace.namespace, now) { $0.tenant = tenant }
  }

  /// Who has paid for what a scan of the disk has found.
  mutating func payer(ofTag tag: Bytes16) -> TenantID { tenants.id(of: tag, in: &engine) }
}

extension NodeStatistics {
  /// What a tenant has of one tier's slots of one size.
  public struct TenantFigures: Codable, Sendable {
    /// Its name; the beginning of its tag where only blocks on disk are known.
    public var tenant: String
    /// "host" or "disk".
    public var tier: String
    /// Bytes of one slot.
    public var slotBytes: Int
    /// Blocks that it pays for, with those on their way.
    public var blocks: Int
    /// As many it may have, and so many of them nobody takes from it.
    public var limit: Int
    public var reserved: Int
  }

  /// A line for each tenant that has something, or for which something is reserved.
  var tenantLines: [String] {
    (tenants ?? []).filter { $0.blocks > 0 || $0.reserved > 0 }.map { of in
      "tenant \(of.tenant): \(of.blocks) of \(of.limit) blocks of "
        + "\(ByteSize(bytes: of.slotBytes)) in the \(of.tier) tier"
        + (of.reserved > 0 ? ", \(of.reserved) of them reserved" : "")
    }
  }
}

extension NodeState {
  /// What each tenant has; nil where the tiers are not shared.
  borrowing func tenantStatistics(hasDisk: Bool) -> [NodeStatistics.TenantFigures]? {
    guard tenants.settings != nil else { return nil }
    var figures: [NodeStatistics.TenantFigures] = []
    for entry in tenants.entries {
      for slotClass in classes {
        for tier in [Tier.host, .disk] where tier == .host || hasDisk {
          figures.append(
            NodeStatistics.TenantFigures(
              tenant: tenants.name(of: entry.id), tier: "\(tier)", slotBytes: slotClass.slotBytes,
              blocks: engine.heldCount(tier, slotClass.id, by: entry.id),
              limit: engine.heldLimit(tier, slotClass.id, of: entry.id),
              reserved: engine.reservedCount(tier, slotClass.id, for: entry.id)))
        }
      }
    }
    return figures
  }
}
