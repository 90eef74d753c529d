import BlockEngine
import BlockPolicy

/// Who pays for what, by a naive account.
struct Ledger {
  /// One that may have everything, one with something reserved for it, and one that may have
  /// little. The last prompt of a game, which has to come back whole, is the first one's.
  static let shares: [TenantShare] = [
    TenantShare(),
    TenantShare(
      host: TenantShare.Part(limitPercent: 50, reservePercent: 25),
      disk: TenantShare.Part(limitPercent: 50, reservePercent: 30)),
    TenantShare(
      host: TenantShare.Part(limitPercent: 30), disk: TenantShare.Part(limitPercent: 25)),
  ]

  /// Whether tenants share the tiers.
  var isDivided = false
  /// Who pays for what a request brings; the standard tenant for those that are not here.
  var payers: [RequestID: TenantID] = [:]
  /// Who pays for each block that is there or on its way.
  var owners: [BlockRef: TenantID] = [:]
  /// `[tier][class]`, by tenant: what each had after the step before.
  var counts = Ledger.nothing

  /// Nobody shares anything.
  init() {}

  /// By dice.
  init(_ random: inout Random) { isDivided = random.oneIn(2) }

  static var nothing: [[[Int]]] {
    let none = shares.map { _ in 0 }
    return [[none, none], [none, none]]
  }

  func payer(of id: RequestID) -> TenantID { payers[id] ?? .standard }
}

/// What each tenant has before a call.
struct Holdings {
  /// `[tier][class]`, by tenant.
  var counts = Ledger.nothing
  /// `[tier][class]`: who pays for what is found, by name.
  var owners: [[[BlockKey: TenantID]]] = [[[:], [:]], [[:], [:]]]
  /// The effects that were there already.
  var effectCount = 0
}
