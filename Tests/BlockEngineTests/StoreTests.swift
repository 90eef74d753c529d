import BlockEngine
import Testing

@Suite("Stores")
struct StoreTests {
  @Test("A stored block is ready when every rank has reported, and not before")
  func parts() throws {
    var rig = try Rig(parts: 3)
    let answer = try rig.store(request(1), keys(0..<1))
    #expect(answer == StoreAnswer(coveredCount: 1, offloadCount: 1))
    let operation = try #require(rig.take().first)
    for part in [2, 0] {
      try rig.report(operation, part: part)
      #expect(try rig.match(request(2), keys(0..<1)).readyCount == 0)
    }
    try rig.report(operation, part: 1)
    #expect(try rig.match(request(2), keys(0..<1)).readyCount == 1)
    #expect(rig.engine.counters.blocksStored == 1)
  }

  @Test("A part that is reported twice counts once, and another rank's is still awaited")
  func twice() throws {
    var rig = try Rig(parts: 2)
    _ = try rig.store(request(1), keys(0..<1))
    let operation = try #require(rig.take().first)
    for _ in 0..<2 { try rig.report(operation, part: 1) }
    for part in [-1, 2, 31, 32, .max] { try rig.report(operation, part: part) }
    #expect(rig.counts(.host).filling == 1)
    #expect(rig.engine.counters.staleReports == 6)
    try rig.report(operation, part: 0)
    #expect(rig.counts(.host).cached == 1)
  }

  @Test("What is present or on its way is not stored again, and all of it is covered")
  func deduplication() throws {
    var rig = try Rig()
    _ = try rig.store(request(1), keys(0..<2))
    let again = try rig.store(request(2), keys(0..<3))
    #expect(again == StoreAnswer(coveredCount: 3, offloadCount: 1))
    try rig.finishAll()
    let last = try rig.store(request(3), keys(0..<3))
    #expect(last == StoreAnswer(coveredCount: 3, offloadCount: 0))
    #expect(rig.counts(.host).cached == 3)
  }

  @Test("A store stops at the first block that finds no room, and says where")
  func noRoom() throws {
    var rig = try Rig(host: 4)
    let answer = try rig.store(request(1), keys(0..<6))
    #expect(answer == StoreAnswer(coveredCount: 4, offloadCount: 4))
    #expect(rig.engine.counters.hostExhausted == 1)
    var limited = try Rig { $0.storeLimit = 3 }
    #expect(try limited.store(request(1), keys(0..<6)).coveredCount == 3)
    #expect(limited.engine.counters.storesRefused == 1)
  }

  @Test("A store outlives its request, and not its engine")
  func owners() throws {
    var rig = try Rig()
    _ = try rig.match(request(1), keys(0..<1))
    _ = try rig.store(request(1), keys(0..<1))
    rig.engine.cancel(request(1))
    try rig.finishAll()
    #expect(rig.counts(.host).cached == 1)
    _ = try rig.store(request(1), keys(1..<3))
    _ = try rig.store(request(1, engine: 2), keys(3..<4))
    rig.engine.detach(EngineID(1), now: rig.now)
    try rig.settle()
    #expect(rig.counts(.host) == SlotCounts(free: 6, filling: 1, cached: 1))
    #expect(rig.engine.counters.storesFailed == 2)
  }

  @Test("A failed store leaves nothing, and its block can be stored again")
  func failure() throws {
    var rig = try Rig(parts: 2)
    _ = try rig.store(request(1), keys(0..<1))
    let operation = try #require(rig.take().first)
    try rig.report(operation, part: 0, .failure)
    #expect(rig.counts(.host).filling == 1, "the other rank may still be writing")
    try rig.report(operation, part: 1)
    #expect(rig.counts(.host).free == 8)
    #expect(try rig.store(request(1), keys(0..<1)).offloadCount == 1)
  }

  @Test("A late store is quarantined until its last rank has reported or its engine is gone")
  func quarantine() throws {
    var rig = try Rig(parts: 2)
    _ = try rig.store(request(1), keys(0..<2))
    let operations = rig.take()
    try rig.report(operations[0], part: 0)
    try rig.tick(after: rig.engine.limits.storeNanoseconds)
    #expect(rig.counts(.host).quarantined == 2)
    #expect(rig.engine.counters.storesTimedOut == 2)
    #expect(try rig.store(request(2), keys(0..<1)).offloadCount == 1, "nobody waits for it")
    try rig.report(operations[0], part: 1)
    #expect(rig.counts(.host).quarantined == 1)
    #expect(try rig.match(request(3), keys(0..<1)).readyCount == 0)
    rig.engine.detach(EngineID(1), now: rig.now)
    try rig.settle()
    #expect(rig.counts(.host).free == 8)
    try rig.report(operations[1], part: 0)
    #expect(rig.engine.counters.staleReports == 1)
  }

  @Test("A block is stored once for every group, and a prefix needs them all")
  func groups() throws {
    var rig = try Rig(groups: 2)
    let answer = try rig.store(request(1), keys(0..<2))
    #expect(answer == StoreAnswer(coveredCount: 2, offloadCount: 4))
    let operations = rig.take()
    for index in 0..<3 { try rig.report(operations[index]) }
    #expect(try rig.match(request(2), keys(0..<2)) == Match(readyCount: 1, pendingCount: 1))
    try rig.report(operations[3])
    #expect(try rig.match(request(2), keys(0..<2)) == Match(readyCount: 2, pendingCount: 0))
  }

  @Test("What a policy does not admit is covered and not stored")
  func admission() throws {
    struct AdmitNone: AdmissionPolicy {
      func admits(_ candidate: AdmissionCandidate) -> Bool { false }
    }
    var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1, hostAdmission: AdmitNone())
    let classID = try engine.open(slotBytes: 64, host: 4, disk: 0)
    engine.addExtent(.host, classID, slots: 0..<4)
    let namespace = try engine.open(groups: 1, in: classID)
    let answer = engine.prepareStore(
      request(1), in: namespace, keys: keys(0..<2), now: Time(nanoseconds: 0))
    #expect(answer == StoreAnswer(coveredCount: 2, offloadCount: 0))
    #expect(engine.counters.storesNotAdmitted == 2)
  }

  @Test("A tail is evicted before its prefix, in whatever order its blocks arrived")
  func eviction() throws {
    var rig = try Rig(host: 4)
    _ = try rig.store(request(1), keys(0..<4))
    for operation in rig.take().reversed() { try rig.report(operation) }
    rig.effects = []
    _ = try rig.store(request(2), [key(0, sequence: 1)])
    let removed = rig.effects.compactMap { effect in
      if case .removed(.host, let record, .evicted) = effect { record.position } else { nil }
    }
    #expect(removed == [3])
    #expect(try rig.match(request(3), keys(0..<4)).readyCount == 3)
  }
}
