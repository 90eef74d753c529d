import BlockEngine
import BlockIdentity
import BlockPolicy
import Testing

@Suite("Announced blocks and tails")
struct ExpectTests {
  private let producer = request(1)
  private let consumer = request(2, engine: 2)

  private func later(_ rig: borrowing Rig, _ nanoseconds: UInt64 = 500) -> Time {
    rig.now + nanoseconds
  }

  @Test("Who asks for announced blocks waits for them, and gets them when anybody stores them")
  func waits() throws {
    for storer in [producer, request(7, engine: 3)] {
      var rig = try Rig()
      #expect(rig.expect(producer, keys(0..<3), until: later(rig)) == 3)
      #expect(try rig.match(consumer, keys(0..<4)) == Match(readyCount: 0, pendingCount: 3))
      _ = try rig.store(storer, keys(0..<3))
      #expect(try rig.match(consumer, keys(0..<4)) == Match(readyCount: 0, pendingCount: 3))
      try rig.finishAll()
      #expect(rig.engine.expectedBlockCount == 0)
      // Held for who waited, so that nothing takes them away meanwhile.
      #expect(rig.counts(.host).pinned == 3)
      #expect(try rig.match(consumer, keys(0..<4)) == Match(readyCount: 3, pendingCount: 0))
    }
  }

  @Test("What was announced is stored, whatever the tier's policies want")
  func admitted() throws {
    var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 5, hostAdmission: AdmitNothing())
    let classID = try engine.open(slotBytes: 64, host: 8, disk: 0)
    let namespace = try engine.open(groups: 1, in: classID)
    engine.addExtent(.host, classID, slots: 0..<8)
    let now = Time(nanoseconds: 1)
    _ = engine.expect(producer, in: namespace, keys: keys(0..<2).span, until: now + 500, now: now)
    let answer = engine.prepareStore(
      producer, in: namespace, keys: keys(0..<3), parentKey: root, now: now)
    #expect(answer == StoreAnswer(coveredCount: 3, offloadCount: 2))
    let tailed = engine.prepareStore(
      producer, in: namespace, tail: tail, position: 3, parentKey: key(2), until: now + 500,
      now: now)
    #expect(tailed.offloadCount == 1)
    try engine.checkInvariants()
  }

  @Test("The end of a lease, giving up and death of the producer end the waiting at once")
  func ends() throws {
    for end in 0..<3 {
      var rig = try Rig()
      _ = try rig.store(producer, keys(0..<1))
      try rig.finishAll()
      #expect(rig.expect(producer, keys(0..<3), until: later(rig)) == 3)
      #expect(rig.engine.expectedBlockCount == 2, "what is there is not announced")
      #expect(try rig.match(consumer, keys(0..<3)) == Match(readyCount: 1, pendingCount: 2))
      switch end {
      case 0: try rig.tick(after: 500)
      case 1: rig.engine.abandon(producer)
      default: rig.engine.detach(producer.engine, now: rig.now)
      }
      try rig.settle()
      #expect(rig.engine.expectedBlockCount == 0)
      #expect(try rig.match(consumer, keys(0..<3)) == Match(readyCount: 1, pendingCount: 0))
      #expect(rig.engine.counters.expectationsLapsed == (end == 0 ? 2 : 0))
    }
  }

  @Test("Nobody waits beyond the own deadline, and a producer not for itself")
  func deadline() throws {
    var rig = try Rig { $0.stagingNanoseconds = 100 }
    #expect(rig.expect(producer, keys(0..<2), until: later(rig, 10_000)) == 2)
    #expect(try rig.match(producer, keys(0..<2)) == .none)
    #expect(try rig.match(consumer, keys(0..<2)).pendingCount == 2)
    try rig.tick(after: 100)
    #expect(try rig.match(consumer, keys(0..<2)) == .none)
    #expect(rig.engine.expectedBlockCount == 2)
  }

  @Test("Who announces what it waits for waits no more, and has it read when it is on disk")
  func becomesProducer() throws {
    var rig = try Rig(disk: 4)
    let isEmpty = rig.engine.retireExtent(.disk, rig.classID, slots: 0..<4)
    #expect(isEmpty)
    #expect(rig.expect(producer, keys(0..<1), until: later(rig)) == 1)
    #expect(try rig.match(consumer, keys(0..<1)).pendingCount == 1)
    #expect(rig.expect(consumer, keys(0..<1), until: later(rig, 1_000)) == 1)
    let record = BlockRecord(
      key: key(0), parentKey: root, position: 0, group: 0, namespace: rig.namespace)
    rig.engine.addExtent(
      .disk, rig.classID, slots: 0..<4,
      residents: [Resident(slot: 0, record: record, writeSequence: 1, lastUsed: 1)])
    rig.engine.finishScan(rig.classID)
    try rig.settle()
    #expect(try rig.match(consumer, keys(0..<1)).pendingCount == 1)
    try rig.finishAll()
    #expect(try rig.match(consumer, keys(0..<1)).readyCount == 1)
  }

  @Test("A store that fails ends the waiting; the announcement stands")
  func failedStore() throws {
    var rig = try Rig()
    #expect(rig.expect(producer, keys(0..<1), until: later(rig)) == 1)
    #expect(try rig.match(consumer, keys(0..<1)).pendingCount == 1)
    _ = try rig.store(producer, keys(0..<1))
    try rig.report(#require(rig.take().first), .failure)
    #expect(rig.engine.expectedBlockCount == 1)
    #expect(try rig.match(consumer, keys(0..<1)).pendingCount == 1)
    _ = try rig.store(producer, keys(0..<1))
    try rig.finishAll()
    #expect(try rig.match(consumer, keys(0..<1)).readyCount == 1)
  }

  @Test("Announcements are bounded, and the lease that ends last counts")
  func bounds() throws {
    var rig = try Rig { $0.expectedLimit = 2 }
    #expect(rig.expect(producer, keys(0..<3), until: later(rig)) == 2)
    #expect(rig.engine.counters.expectationsRefused == 1)
    let other = request(3, engine: 3)
    #expect(rig.expect(other, keys(0..<1), until: later(rig, 900)) == 0, "there is no room to look")
    rig.engine.abandon(producer)
    #expect(rig.expect(producer, keys(0..<1), until: later(rig)) == 1)
    #expect(rig.expect(other, keys(0..<1), until: later(rig, 900)) == 1)
    rig.engine.abandon(producer)
    #expect(rig.engine.expectedBlockCount == 1)
    #expect(rig.expect(producer, keys(0..<1), until: rig.now) == 0, "a lease of no time")
  }

  @Test("Of a window what it needs is waited for, of a full group everything")
  func windows() throws {
    var rig = try Rig(host: 16, windows: [nil, 2])
    #expect(rig.expect(producer, keys(0..<4), until: later(rig)) == 4)
    #expect(rig.engine.expectedBlockCount == 8)
    #expect(try rig.match(consumer, keys(0..<4)) == Match(readyCount: 0, pendingCount: 4))
    _ = try rig.store(producer, keys(0..<4))
    try rig.finishAll()
    #expect(try rig.match(consumer, keys(0..<4)) == Match(readyCount: 4, pendingCount: 0))
    #expect(rig.engine.expectedBlockCount == 0)
  }

  // MARK: Tails

  private let tail = Tail(key: key(2), scope: key(0, sequence: 77))
  private let other = Tail(key: key(2), scope: key(0, sequence: 78))

  @Test("A tail is found by those that know its scope, until its lease ends, and is never on disk")
  func tails() throws {
    var rig = try Rig(disk: 8)
    #expect(rig.expect(producer, keys(0..<2), tail: tail, until: later(rig)) == 3)
    #expect(try rig.match(consumer, keys(0..<2), tail).pendingCount == 3)
    #expect(try rig.match(request(5), keys(0..<2), other).pendingCount == 2)
    _ = try rig.store(producer, keys(0..<2))
    let answer = rig.engine.prepareStore(
      producer, in: rig.namespace, tail: tail, position: 2, parentKey: key(1), until: later(rig),
      now: rig.now)
    #expect(answer == StoreAnswer(coveredCount: 1, offloadCount: 1))
    try rig.settle()
    try rig.finishAll()
    #expect(try rig.match(consumer, keys(0..<2), tail) == Match(readyCount: 3, pendingCount: 0))
    #expect(try rig.match(request(5), keys(0..<2), other).readyCount == 2)
    #expect(try rig.match(request(6), keys(0..<3)).readyCount == 2, "no block of full tokens")
    #expect(rig.engine.counters.blocksWritten == 2)
    #expect(try rig.commit(consumer, 3) != nil)
    try rig.finishAll()
    try rig.tick(after: 500)
    #expect(try rig.match(consumer, keys(0..<2), tail).readyCount == 2)
    #expect(rig.engine.tailCount == 0 && rig.counts(.host).cached + rig.counts(.host).pinned == 2)
  }

  @Test("A tail that comes after its lease is not kept")
  func lateTail() throws {
    var rig = try Rig()
    _ = rig.engine.prepareStore(
      producer, in: rig.namespace, tail: tail, position: 0, parentKey: root, until: later(rig),
      now: rig.now)
    try rig.settle()
    let store = try #require(rig.take().first)
    try rig.tick(after: 500)
    try rig.report(store)
    #expect(rig.counts(.host).cached == 0 && rig.counts(.host).free == 8)
    #expect(try rig.match(consumer, [], tail) == .none)
  }

  @Test("A tail has one producer, a name of its own, and no place beside windows")
  func refusedTails() throws {
    var rig = try Rig { $0.tailLimit = 1 }
    func store(_ id: RequestID, _ tail: Tail, _ rig: inout Rig) -> Int {
      rig.engine.prepareStore(
        id, in: rig.namespace, tail: tail, position: 0, parentKey: root, until: rig.now + 500,
        now: rig.now
      ).coveredCount
    }
    #expect(store(producer, tail, &rig) == 1)
    #expect(store(consumer, tail, &rig) == 0 && store(producer, other, &rig) == 0)
    #expect(rig.engine.counters.tailsRefused == 2)
    let nameless = Tail(key: key(2), scope: BlockKey(high: 0, low: 0))
    #expect(store(producer, nameless, &rig) == 0)
    var windowed = try Rig(windows: [nil, 2])
    #expect(store(producer, tail, &windowed) == 0)
    #expect(windowed.expect(producer, keys(0..<2), tail: tail, until: later(windowed)) == 2)
  }
}

private struct AdmitNothing: AdmissionPolicy {
  func admits(_ candidate: AdmissionCandidate) -> Bool { false }
}

extension Rig {
  mutating func expect(
    _ id: RequestID, _ keys: [BlockKey], tail: Tail? = nil, until: Time
  ) -> Int {
    engine.expect(id, in: namespace, keys: keys.span, tail: tail, until: until, now: now)
  }

  mutating func match(_ id: RequestID, _ keys: [BlockKey], _ tail: Tail) throws -> Match {
    let match = engine.match(id, in: namespace, keys: keys, tail: tail, parentKey: root, now: now)
    try settle()
    return match
  }
}
