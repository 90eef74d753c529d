/// What a tenant may have of the tiers, in hundredths of each class's usable slots.
public struct TenantShare: Hashable, Sendable {
  /// In one tier.
  public struct Part: Hashable, Sendable {
    /// More than this it never has: at its limit what it brings takes its own blocks' places.
    public var limitPercent: Int
    /// While it has no more than this, nobody takes a block from it.
    public var reservePercent: Int

    /// A part of 0 to 100 hundredths, no less than what is reserved of it.
    public init(limitPercent: Int = 100, reservePercent: Int = 0) {
      precondition(
        (0...100).contains(limitPercent) && (0...limitPercent).contains(reservePercent),
        "a share has 0 to 100 hundredths, and no more of it is reserved")
      self.limitPercent = limitPercent
      self.reservePercent = reservePercent
    }
  }

  /// Of host memory, and of the disk.
  public var host: Part
  public var disk: Part

  /// A share of these parts; all of both where nothing is said.
  public init(host: Part = Part(), disk: Part = Part()) {
    self.host = host
    self.disk = disk
  }

  /// Its part of a tier.
  public subscript(tier: Tier) -> Part { tier == .host ? host : disk }
}

/// The tenants of an engine, and who pays for which request.
struct TenantBook {
  /// Tenants at most; 0 where the tiers are not divided.
  let limit: Int
  /// By tenant.
  private(set) var shares: [TenantShare] = []
  /// Requests that were assigned to somebody else than the standard tenant.
  private var payers: [RequestID: TenantID] = [:]

  init(limit: Int) { self.limit = limit }

  var isDivided: Bool { limit > 0 }
  var tenants: [TenantID] { shares.indices.map { TenantID(UInt8($0)) } }

  /// Adds a tenant; nil when there are as many as may be.
  mutating func open(_ share: TenantShare) -> TenantID? {
    guard shares.count < limit else { return nil }
    shares.append(share)
    return TenantID(UInt8(shares.count - 1))
  }

  /// Who pays for what a request brings.
  func payer(of request: RequestID) -> TenantID {
    payers.isEmpty ? .standard : payers[request] ?? .standard
  }

  /// A tenant pays for what a request brings from now on; false when too many requests are known.
  mutating func assign(_ request: RequestID, to tenant: TenantID, limit: Int) -> Bool {
    guard tenant.index < shares.count, payers[request] != nil || payers.count < limit else {
      return false
    }
    payers[request] = tenant
    return true
  }

  mutating func forget(_ request: RequestID) {
    if !payers.isEmpty { payers[request] = nil }
  }

  mutating func forget(_ engine: EngineID) {
    if !payers.isEmpty { payers = payers.filter { $0.key.engine != engine } }
  }
}
