import BlockEngine
import BlockPolicy
import Testing

extension Rig {
  fileprivate mutating func retire(_ tier: Tier, _ slots: Range<UInt32>) throws -> Bool {
    let isRetired = engine.retireExtent(tier, classID, slots: slots)
    try settle()
    return isRetired
  }

  fileprivate mutating func assign(_ id: RequestID, to tenant: TenantID) throws -> Bool {
    engine.assign(id, to: tenant)
  }
}

@Suite("Tenants share the tiers")
struct TenantTests {
  private static let few = TenantShare(
    host: TenantShare.Part(limitPercent: 25), disk: TenantShare.Part(limitPercent: 25))
  private static let sure = TenantShare(
    host: TenantShare.Part(reservePercent: 50), disk: TenantShare.Part(reservePercent: 50))

  /// An engine of these tenants; the requests 1, 2 and so on are theirs.
  private func rig(
    host: Int = 8, disk: Int = 0, _ shares: [TenantShare],
    eviction: EvictionChoice = .lru
  ) throws -> Rig {
    var rig = try Rig(host: host, disk: disk, eviction: Eviction(host: eviction, disk: eviction)) {
      $0.tenantLimit = shares.count
    }
    for (index, share) in shares.enumerated() {
      let tenant = rig.engine.openTenant(share)
      #expect(tenant == TenantID(UInt8(index)))
      rig.engine.assign(request(UInt64(index + 1)), to: TenantID(UInt8(index)))
    }
    return rig
  }

  private func held(_ rig: borrowing Rig, _ tier: Tier = .host) -> [Int] {
    (0..<rig.engine.tenantCount).map {
      rig.engine.heldCount(tier, rig.classID, by: TenantID(UInt8($0)))
    }
  }

  @Test("At its limit a tenant takes its own blocks' places, though slots are free")
  func limit() throws {
    var rig = try rig([TenantShare(), Self.few])
    _ = try rig.store(request(1), keys(0..<3))
    try rig.finishAll()
    for sequence in 1...4 {
      #expect(try rig.store(request(2), keys(0..<1, sequence: sequence)).offloadCount == 1)
      try rig.finishAll()
    }
    #expect(held(rig) == [3, 2] && rig.counts(.host).free == 3)
    #expect(try rig.match(request(3), keys(0..<3)).readyCount == 3)
    #expect(try rig.match(request(4), keys(0..<1, sequence: 3)).readyCount == 1)
    #expect(try rig.match(request(5), keys(0..<1, sequence: 2)).readyCount == 0)
  }

  @Test("What is on its way counts, and what is in use does not leave")
  func arrivals() throws {
    var rig = try rig([TenantShare(), Self.few])
    let answer = try rig.store(request(2), keys(0..<4))
    #expect(answer == StoreAnswer(coveredCount: 2, offloadCount: 2))
    #expect(rig.engine.counters.hostOverShare == 1 && held(rig) == [0, 2])
    let refused = rig.effects.contains { effect in
      if case .refused(.host, _, .overShare) = effect { true } else { false }
    }
    #expect(refused)
    try rig.finishAll()
    // Others' use keeps them as well.
    #expect(try rig.match(request(3), keys(0..<2)).readyCount == 2)
    #expect(try rig.store(request(2), keys(0..<1, sequence: 7)) == .none)
    rig.engine.endStep(EngineID(1))
    #expect(try rig.store(request(2), keys(0..<1, sequence: 7)).offloadCount == 1)
  }

  @Test("Without a free slot whoever has used what it has least gives up a block")
  func giver() throws {
    var rig = try rig(host: 4, [TenantShare(), TenantShare(), TenantShare()])
    for number in 1...2 {
      _ = try rig.store(request(UInt64(number)), keys(0..<2, sequence: number))
      try rig.finishAll()
    }
    // The first one comes back, so the second one's blocks are older.
    #expect(try rig.match(request(1), keys(0..<2, sequence: 1)).readyCount == 2)
    rig.engine.endStep(EngineID(1))
    _ = try rig.store(request(3), keys(0..<1, sequence: 3))
    #expect(held(rig) == [2, 1, 1])
  }

  @Test("What is reserved nobody else takes, and a tenant takes its own then, if it has any")
  func reserve() throws {
    var rig = try rig(host: 4, [TenantShare(), Self.sure])
    _ = try rig.store(request(2), keys(0..<2, sequence: 2))
    _ = try rig.store(request(1), keys(0..<2, sequence: 1))
    try rig.finishAll()
    // The older blocks are the other one's, and stay.
    for sequence in 3...6 {
      #expect(try rig.store(request(1), keys(0..<1, sequence: sequence)).offloadCount == 1)
      try rig.finishAll()
    }
    #expect(held(rig) == [2, 2])
    #expect(try rig.match(request(9), keys(0..<2, sequence: 2)).readyCount == 2)
    // Whoever has nothing there, and finds all else reserved, is refused.
    var other = try self.rig(host: 4, [TenantShare(), Self.sure, Self.sure])
    _ = try other.store(request(2), keys(0..<2, sequence: 2))
    _ = try other.store(request(3), keys(0..<2, sequence: 3))
    try other.finishAll()
    #expect(try other.store(request(1), keys(0..<1)) == .none)
    #expect(other.engine.counters.hostOverShare == 1 && held(other) == [0, 2, 2])
  }

  @Test("Whoever has a block read pays for it in host memory; on disk whoever wrote it goes on to")
  func payers() throws {
    var rig = try rig(host: 4, disk: 8, [TenantShare(), TenantShare(), TenantShare()])
    _ = try rig.store(request(2), keys(0..<2))
    try rig.finishAll()
    #expect(held(rig, .disk) == [0, 2, 0])
    #expect(try rig.retire(.host, 0..<4))
    rig.engine.addExtent(.host, rig.classID, slots: 0..<4)
    #expect(try rig.match(request(3), keys(0..<2)).pendingCount == 2)
    #expect(held(rig) == [0, 0, 2])
    try rig.finishAll()
    #expect(held(rig) == [0, 0, 2] && held(rig, .disk) == [0, 2, 0])
    // Who comes second pays nothing.
    #expect(try rig.store(request(1), keys(0..<2)).offloadCount == 0)
    #expect(held(rig) == [0, 0, 2])
  }

  @Test("What a scan finds is paid for by whom its header names, and bounded when the scan is over")
  func scan() throws {
    var rig = try rig(host: 4, disk: 8, [TenantShare(), Self.few])
    #expect(try rig.retire(.disk, 0..<8))
    let residents = (0..<6).map { slot in
      Resident(
        slot: UInt32(slot),
        record: BlockRecord(
          key: key(0, sequence: slot), parentKey: root, position: 0, group: 0,
          namespace: rig.namespace),
        writeSequence: UInt64(slot + 1), lastUsed: UInt64(slot), payer: TenantID(slot < 2 ? 0 : 1))
    }
    rig.engine.addExtent(.disk, rig.classID, slots: 0..<8, residents: residents)
    try rig.settle()
    #expect(held(rig, .disk) == [2, 4])
    rig.engine.finishScan(rig.classID)
    try rig.settle()
    // The two that were used last stay.
    #expect(held(rig, .disk) == [2, 2])
    for sequence in [0, 1, 4, 5] {
      #expect(
        rig.engine.presence(of: key(0, sequence: sequence), group: 0, in: rig.namespace) == .disk)
    }
  }

  @Test("Memory that goes makes shares smaller, and what is beyond them leaves when nobody uses it")
  func shrinking() throws {
    var rig = try rig(host: 8, [TenantShare(), TenantShare(host: .init(limitPercent: 50))])
    _ = try rig.store(request(2), keys(0..<4))
    try rig.finishAll()
    #expect(try rig.match(request(3), keys(0..<4)).readyCount == 4)
    #expect(try rig.retire(.host, 4..<8))
    #expect(held(rig) == [0, 4])
    rig.engine.endStep(EngineID(1))
    try rig.tick(after: 1)
    #expect(held(rig) == [0, 2])
  }

  @Test("A high priority counts among its tenant's blocks alone")
  func levels() throws {
    var rig = try rig(host: 8, [TenantShare(), Self.few])
    _ = try rig.store(request(1), keys(0..<2, sequence: 1))
    let high = RetentionRange(positions: 0..<Int.max, priority: 100)
    rig.engine.retain(request(2), [high])
    for sequence in 2...9 {
      _ = try rig.store(request(2), keys(0..<1, sequence: sequence))
      try rig.finishAll()
    }
    #expect(held(rig) == [2, 2])
    #expect(try rig.match(request(9), keys(0..<2, sequence: 1)).readyCount == 2)
  }

  @Test("Without tenants nothing is divided, and nobody can be assigned")
  func undivided() throws {
    var rig = try Rig()
    let tenant = rig.engine.openTenant()
    #expect(tenant == nil)
    #expect(try !rig.assign(request(1), to: .standard))
    _ = try rig.store(request(1), keys(0..<8))
    #expect(rig.counts(.host).filling == 8)
  }

  @Test("A request's tenant is forgotten with it, and there are no more than requests")
  func assignments() throws {
    var rig = try rig([TenantShare(), Self.few])
    #expect(try !rig.assign(request(3), to: TenantID(7)))
    for number in 3...8 { #expect(try rig.assign(request(UInt64(number)), to: TenantID(1))) }
    #expect(try !rig.assign(request(9), to: TenantID(1)))
    rig.engine.cancel(request(2))
    #expect(try rig.assign(request(9), to: TenantID(1)))
    _ = try rig.store(request(2), keys(0..<1))
    #expect(held(rig) == [1, 0])
    rig.engine.detach(EngineID(1), now: rig.now)
    #expect(try rig.assign(request(2), to: TenantID(1)))
  }
}
