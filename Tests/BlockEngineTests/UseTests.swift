import BlockEngine
import Testing

@Suite("Uses: what policies hear of requests")
struct UseTests {
  /// Stores a sequence; its stores end in the order given, then the request does.
  private func store(
    _ id: RequestID, _ keys: [BlockKey], order: [Int]? = nil, _ rig: inout Rig
  ) throws {
    _ = try rig.store(id, keys)
    let operations = rig.take()
    for index in order ?? Array(operations.indices) { try rig.report(operations[index]) }
    rig.engine.cancel(id)
    try rig.settle()
    rig.effects = []
  }

  /// What leaves, in order, when so many new blocks come in one after the other.
  private func evicted(_ count: Int, _ rig: inout Rig) throws -> [UInt32] {
    var gone: [UInt32] = []
    for number in 0..<count {
      _ = try rig.store(request(UInt64(900 + number)), [key(0, sequence: 90 + number)])
      gone += rig.effects.compactMap { effect in
        if case .removed(.host, let record, .evicted) = effect { record.position } else { nil }
      }
      try rig.finishAll()
    }
    return gone
  }

  @Test("A request's blocks count as used together, tails first, in whatever order they came")
  func together() throws {
    var rig = try Rig(host: 4, eviction: Eviction(host: .lru))
    try store(request(1), keys(0..<4), order: [2, 0, 3, 1], &rig)
    #expect(try evicted(4, &rig) == [3, 2, 1, 0])
  }

  @Test("Nothing is used up before the last store has ended, though the request has")
  func late() throws {
    var rig = try Rig(host: 4, eviction: Eviction(host: .lru))
    _ = try rig.store(request(1), keys(0..<2))
    let operations = rig.take()
    try rig.report(operations[0])
    rig.engine.cancel(request(1))
    try rig.settle()
    #expect(rig.engine.requestCount == 0 && rig.engine.useCount == 1)
    // Another request comes and goes meanwhile: it was there first.
    try store(request(2), keys(0..<2, sequence: 1), &rig)
    try rig.report(operations[1])
    #expect(rig.engine.useCount == 0)
    rig.effects = []
    var gone: [BlockKey] = []
    for number in 0..<2 {
      _ = try rig.store(request(UInt64(10 + number)), [key(0, sequence: 90 + number)])
      gone += rig.effects.compactMap { effect in
        if case .removed(.host, let record, .evicted) = effect { record.key } else { nil }
      }
      try rig.finishAll()
    }
    #expect(gone == [key(1, sequence: 1), key(0, sequence: 1)])
  }

  @Test("What the device had counts as used", arguments: [EvictionChoice.lru, .leafFirst])
  func deviceHit(_ choice: EvictionChoice) throws {
    var rig = try Rig(host: 6, disk: 6, eviction: Eviction(host: choice, disk: choice))
    for sequence in 0..<2 {
      _ = try rig.store(request(1), keys(0..<3, sequence: sequence))
      try rig.finishAll()
      rig.engine.cancel(request(1))
      try rig.settle()
    }
    // The device has all that the host tier has.
    let match = try rig.match(request(3), [key(3)], first: 3, parentKey: key(2))
    #expect(match == .none)
    rig.engine.cancel(request(3))
    for number in 0..<2 {
      _ = try rig.store(request(UInt64(10 + number)), [key(0, sequence: 90 + number)])
      try rig.finishAll()
    }
    for tier in Tier.allCases {
      var there: Set<BlockKey> = []
      rig.engine.forEachRegistered(tier, rig.classID) { _, record in there.insert(record.key) }
      #expect(there.isSuperset(of: keys(0..<3)) && there.contains(key(0, sequence: 1)))
      #expect(!there.contains(key(1, sequence: 1)) && !there.contains(key(2, sequence: 1)))
    }
  }

  @Test("Keys that lead round in a circle are followed once")
  func circle() throws {
    var rig = try Rig(host: 4)
    _ = try rig.store(request(1), [key(0)], parentKey: key(1))
    _ = try rig.store(request(1), [key(1)], first: 1, parentKey: key(0))
    try rig.finishAll()
    rig.engine.cancel(request(1))
    try rig.settle()
    #expect(rig.engine.useCount == 0)
  }

  /// Pairs come back once after ten rounds, in which more comes in than the tier holds, and between
  /// them fours that never do; returns the blocks ready in the last 500 rounds, of 500.
  private func pairs(_ rig: inout Rig) throws -> Int {
    var readyCount = 0
    var number: UInt64 = 0
    func play(_ names: [BlockKey], _ rig: inout Rig) throws -> Int {
      number += 1
      let id = request(number)
      let match = rig.engine.match(
        id, in: rig.namespace, keys: names, parentKey: root, now: rig.now)
      if match.readyCount > 0 {
        _ = rig.engine.commit(id, count: match.readyCount, now: rig.now)
        try rig.settle()
        try rig.finishAll()
      }
      let answer = try rig.store(id, names)
      #expect(answer.coveredCount == names.count)
      try rig.finishAll()
      rig.engine.cancel(id)
      return match.readyCount
    }
    for round in 0..<2_000 {
      rig.now = Time(nanoseconds: UInt64(round + 1) << 30)
      if round % 2 == 0, round >= 10 {
        let found = try play(keys(0..<2, sequence: round - 10), &rig)
        if round >= 1_500 { readyCount += found }
      }
      _ = try play(keys(0..<(round % 2 == 0 ? 2 : 4), sequence: round), &rig)
    }
    #expect(rig.engine.useCount == 0)
    return readyCount
  }

  @Test("A forecast learns from the engine what comes back, and turns away what never does")
  func learns() throws {
    var learnt = try Rig(host: 24, eviction: Eviction(host: .forecast))
    let learntCount = try pairs(&learnt)
    #expect(learntCount > 350)
    #expect(learnt.engine.counters.storesNotAdmitted > 100)
    var plain = try Rig(host: 24, eviction: Eviction(host: .lru))
    let plainCount = try pairs(&plain)
    #expect(plainCount == 0)
  }

  @Test("A late store's request is over all the same")
  func timedOut() throws {
    var rig = try Rig(host: 4) { $0.storeNanoseconds = 100 }
    _ = try rig.store(request(1), keys(0..<2))
    let operations = rig.take()
    try rig.report(operations[0])
    rig.engine.cancel(request(1))
    #expect(rig.engine.useCount == 1)
    try rig.tick(after: 200)
    #expect(rig.engine.useCount == 0)
    try rig.report(operations[1])
    #expect(rig.engine.counters.storesTimedOut == 1)
  }
}
