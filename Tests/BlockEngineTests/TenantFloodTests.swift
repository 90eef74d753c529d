import BlockEngine
import BlockPolicy
import KVBMTesting
import Testing

/// Many tenants with prompts of their own that come back, and one that floods.
struct Flood: ~Copyable {
  private static let othersCount = 8
  private static let blockCount = 4
  private static let promptCount = 4
  private var rig: Rig
  private var random: Random
  private var lastRequest: UInt64 = 0
  private var floodCount = 0
  private let isShared: Bool

  /// What was asked for and found of the others' blocks, after all prompts have come once.
  private(set) var asked = 0
  private(set) var found = 0

  /// - Parameter shares: Those of whoever floods and of each of the others; nil for no shares.
  init(_ shares: (flood: TenantShare, other: TenantShare)?, _ eviction: EvictionChoice) throws {
    rig = try Rig(host: 160, eviction: Eviction(host: eviction)) { limits in
      if shares != nil { limits.tenantLimit = Self.othersCount + 1 }
    }
    isShared = shares != nil
    if let shares {
      _ = rig.engine.openTenant(shares.flood)
      for _ in 0..<Self.othersCount { _ = rig.engine.openTenant(shares.other) }
    }
    random = Random(seed: 3)
  }

  /// Each of the others asks for one of its prompts, and three new ones flood in between.
  mutating func play(rounds: Int) throws {
    for round in 0..<rounds {
      for tenant in 1...Self.othersCount {
        for _ in 0..<3 {
          floodCount += 1
          _ = try serve(0, keys(0..<Self.blockCount, sequence: 1000 + floodCount))
        }
        let prompt =
          round < Self.promptCount ? round : random.below(Self.promptCount)
        let hits = try serve(
          tenant, keys(0..<Self.blockCount, sequence: tenant * 10 + prompt))
        guard round >= Self.promptCount else { continue }
        asked += Self.blockCount
        found += hits
      }
    }
  }

  private mutating func serve(_ tenant: Int, _ keys: [BlockKey]) throws -> Int {
    lastRequest += 1
    let id = request(lastRequest)
    let isAssigned = rig.engine.assign(id, to: TenantID(UInt8(tenant)))
    #expect(isAssigned == isShared)
    rig.now = rig.now + 1_000_000_000
    let hits = try rig.match(id, keys).readyCount
    rig.engine.endStep(EngineID(1))
    _ = try rig.store(id, keys)
    try rig.finishAll()
    rig.engine.cancel(id)
    try rig.settle()
    return hits
  }

  var hitRate: Double { Double(found) / Double(asked) }
}

@Suite("A tenant that floods")
struct TenantFloodTests {
  @Test(
    "Others keep what they use: by its limit, and by what is reserved for them",
    arguments: [EvictionChoice.lru, .leafFirst])
  func flood(_ eviction: EvictionChoice) throws {
    var plain = try Flood(nil, eviction)
    try plain.play(rounds: 24)
    #expect(plain.hitRate < 0.35, "\(plain.hitRate) without shares")
    var limited = try Flood(
      (TenantShare(host: .init(limitPercent: 20)), TenantShare()), eviction)
    try limited.play(rounds: 24)
    #expect(limited.hitRate == 1, "\(limited.hitRate) beside a tenant with a limit")
    var reserved = try Flood(
      (TenantShare(), TenantShare(host: .init(reservePercent: 10))), eviction)
    try reserved.play(rounds: 24)
    #expect(reserved.hitRate == 1, "\(reserved.hitRate) of what is reserved")
  }
}
