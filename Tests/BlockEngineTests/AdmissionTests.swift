import BlockEngine
import BlockPolicy
import Testing

@Suite("Admission in the engine")
struct AdmissionTests {
  private static var seenTwice: any AdmissionPolicy { SeenTwice(capacity: 1 << 12) }

  private func refusals(_ rig: borrowing Rig, _ tier: Tier) -> [RefusalReason] {
    rig.effects.compactMap { effect in
      if case .refused(tier, _, let reason) = effect { reason } else { nil }
    }
  }

  @Test("A prompt is stored at its second sight, and covered at its first")
  func hostSeenTwice() throws {
    var rig = try Rig(hostAdmission: Self.seenTwice)
    let first = try rig.store(request(1), keys(0..<3))
    #expect(first == StoreAnswer(coveredCount: 3, offloadCount: 0))
    #expect(refusals(rig, .host) == [.policy, .policy, .policy])
    #expect(rig.engine.counters.storesNotAdmitted == 3)
    rig.effects = []
    // It goes on: what is new is at its first sight.
    let second = try rig.store(request(2), keys(0..<5))
    #expect(second == StoreAnswer(coveredCount: 5, offloadCount: 3))
    #expect(refusals(rig, .host) == [.policy, .policy])
  }

  @Test("A block whose parent is not there is not stored, whatever its policy says")
  func hostOrphan() throws {
    var rig = try Rig(hostAdmission: Self.seenTwice)
    _ = try rig.store(request(1), keys(1..<3), first: 1, parentKey: key(0))
    let orphans = try rig.store(request(2), keys(0..<3))
    #expect(orphans == StoreAnswer(coveredCount: 3, offloadCount: 0))
    #expect(rig.engine.counters.storesOrphaned == 2)
    #expect(try rig.store(request(3), keys(0..<3)).offloadCount == 3)
  }

  @Test("A parent on disk is as good as one in host memory")
  func parentOnDisk() throws {
    var rig = try Rig(disk: 8, hostAdmission: Self.seenTwice)
    for number in 1...2 as ClosedRange<UInt64> { _ = try rig.store(request(number), keys(0..<2)) }
    try rig.finishAll()
    let isRetired = rig.engine.retireExtent(.host, rig.classID, slots: 0..<8)
    #expect(isRetired)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<8)
    _ = try rig.store(request(3), keys(2..<3), first: 2, parentKey: key(1))
    let more = try rig.store(request(4), keys(2..<3), first: 2, parentKey: key(1))
    #expect(more.offloadCount == 1)
  }

  @Test("A windowed group needs no parent, and all groups of a position come in together")
  func windows() throws {
    var rig = try Rig(host: 16, windows: [nil, 1], hostAdmission: Self.seenTwice)
    _ = try rig.store(request(1), keys(0..<3), firstOffered: [0, 2])
    let second = try rig.store(request(2), keys(0..<3), firstOffered: [0, 2])
    #expect(second.offloadCount == 4)
    // Position 1 came by before, though not its block in the second group.
    rig.effects = []
    let third = try rig.store(request(3), keys(0..<2), firstOffered: [0, 1])
    #expect(third.offloadCount == 1)
    #expect(refusals(rig, .host).isEmpty)
  }

  @Test("The disk's policy decides what is written, at an offer of what host memory has as well")
  func diskSeenTwice() throws {
    var rig = try Rig(disk: 8, diskAdmission: Self.seenTwice)
    _ = try rig.store(request(1), keys(0..<2))
    let stores = rig.take()
    for store in stores { try rig.report(store) }
    #expect(refusals(rig, .disk) == [.policy, .policy])
    #expect(rig.counts(.disk).free == 8 && rig.counts(.host).cached == 2)
    _ = try rig.store(request(2), keys(0..<2))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 2)
    #expect(rig.engine.counters.writesNotAdmitted == 2)
  }

  @Test("A tier lets in what its request calls worth enough, at any of its offers")
  func priority() throws {
    var rig = try Rig(
      disk: 8, hostAdmission: PriorityThreshold(25), diskAdmission: PriorityThreshold(60))
    rig.engine.retain(request(1), [RetentionRange(positions: 0..<Int.max, priority: 24)])
    _ = try rig.store(request(1), keys(0..<2))
    #expect(refusals(rig, .host) == [.policy, .policy])
    _ = try rig.store(request(2), keys(0..<2))
    try rig.finishAll()
    #expect(rig.counts(.host).cached == 2 && rig.counts(.disk).free == 8)
    #expect(rig.engine.counters.writesNotAdmitted == 2)
    // What is worth so much behind them keeps its beginning.
    rig.engine.retain(request(3), [RetentionRange(positions: 2..<3, priority: 60)])
    _ = try rig.store(request(3), keys(0..<4))
    try rig.finishAll()
    #expect(rig.counts(.host).cached == 4 && rig.counts(.disk).cached == 3)
  }

  @Test("What is worth enough is paid for from the write budget like all else")
  func priorityAndBudget() throws {
    let budget = WriteBudget(bytesPerDay: 86_400_000_000_000, burstNanoseconds: 192)
    var rig = try Rig(disk: 8, diskAdmission: PriorityThreshold(60), writeBudget: budget)
    try rig.tick(after: 1)
    try rig.tick(after: 1_000)
    rig.engine.retain(request(1), [RetentionRange(positions: 0..<5, priority: 70)])
    _ = try rig.store(request(1), keys(0..<8))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 3 && rig.engine.counters.writesNotAdmitted == 3)
  }

  @Test("A second sight while the store is under way counts")
  func secondSightInFlight() throws {
    var rig = try Rig(disk: 8, diskAdmission: Self.seenTwice)
    _ = try rig.store(request(1), keys(0..<2))
    _ = try rig.store(request(2), keys(0..<2))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 2)
    #expect(rig.engine.counters.writesNotAdmitted == 0)
  }

  @Test("What is written is paid for, and where the budget ends the prefix does")
  func budget() throws {
    // A slot of 64 bytes every 64 nanoseconds, and three at once.
    let budget = WriteBudget(bytesPerDay: 86_400_000_000_000, burstNanoseconds: 192)
    var rig = try Rig(disk: 8, writeBudget: budget)
    _ = try rig.store(request(1), keys(0..<1))
    try rig.finishAll()
    #expect(rig.engine.counters.writesOverBudget == 1, "it begins empty")
    try rig.tick(after: 1_000)
    _ = try rig.store(request(2), keys(0..<6))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 3)
    #expect(rig.engine.counters.writesOverBudget == 2 && rig.engine.counters.writesOrphaned == 2)
    // What was refused comes again when it is asked for again, behind what is there.
    try rig.tick(after: 128)
    _ = try rig.store(request(3), keys(0..<6))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 5)
    #expect(rig.engine.presence(of: key(4), group: 0, in: rig.namespace).contains(.disk))
  }
}
