import BlockEngine
import Testing

/// An engine over a pretend object store, as one test of it wants.
private func makeRig(
  host: Int = 4, disk: Int = 0, groups: Int = 1, bugs: PlantedBugs = [],
  _ change: (inout Limits) -> Void = { _ in }
) throws -> Rig {
  try Rig(host: host, disk: disk, groups: groups, bugs: bugs) { limits in
    limits.objectKeyLimit = 64
    limits.objectFailureLimit = 2
    limits.objectPauseNanoseconds = 1000
    limits.objectNanoseconds = 500
    limits.lookNanoseconds = 300
    limits.absentNanoseconds = 200
    limits.stagingNanoseconds = 400
    change(&limits)
  }
}

extension Rig {
  /// The puts, gets and questions that were begun since the last call, and nothing else.
  fileprivate mutating func takeObjects() -> [Effect] {
    defer { effects = [] }
    return effects.filter { effect in
      switch effect {
      case .get, .put, .look: true
      default: false
      }
    }
  }

  /// Host memory is lost.
  fileprivate mutating func loseHost() throws {
    guard engine.retireExtent(.host, classID, slots: 0..<4) else { throw RigError() }
    engine.addExtent(.host, classID, slots: 0..<4)
    effects = []
  }

  fileprivate func believes(_ position: Int) -> Bool {
    engine.presence(of: key(position), group: 0, in: namespace).contains(.object)
  }

  fileprivate func isHeld(_ ref: BlockRef) -> Bool { engine.isHeld(ref) }
  fileprivate var counters: Counters { engine.counters }
  fileprivate var isShut: Bool { engine.isObjectStoreShut }

  /// Stores keys; what is put is answered with the outcome.
  fileprivate mutating func storeAndPut(_ all: [BlockKey], _ outcome: Outcome) throws {
    _ = try store(request(1), all)
    for store in take() { try report(store) }
    while !effects.isEmpty { for operation in take() { try report(operation, outcome) } }
  }
}

@Suite("Object store")
struct ObjectTests {
  @Test("A block is put behind its store, once, and never where it is believed to be")
  func put() throws {
    var rig = try makeRig()
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(rig.take()[0])
    let begun = rig.takeObjects()
    guard case .put(let put, let record, let source)? = begun.first, begun.count == 1 else {
      throw RigError()
    }
    #expect(record.key == key(0) && rig.isHeld(source))
    _ = try rig.store(request(2), keys(0..<1))
    #expect(rig.takeObjects().isEmpty)
    try rig.report(put)
    #expect(rig.counts(.host).pinned == 0 && rig.counters.blocksPut == 1)
    _ = try rig.store(request(3), keys(0..<1))
    #expect(rig.takeObjects().isEmpty)
  }

  @Test("A put that failed is tried again when the block comes by")
  func putAgain() throws {
    var rig = try makeRig()
    try rig.storeAndPut(keys(0..<1), .failure)
    #expect(rig.counters.putsFailed == 1)
    _ = try rig.store(request(2), keys(0..<1))
    guard case .put? = rig.takeObjects().first else { throw RigError() }
  }

  @Test("What nobody knows is asked for, waited for, got and promised")
  func fetch() throws {
    var rig = try makeRig()
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 0, pendingCount: 3))
    guard case .look(let look, let records)? = rig.takeObjects().first else { throw RigError() }
    #expect(records.map(\.key) == keys(0..<3))
    // Another request waits for the same answer.
    #expect(try rig.match(request(2), keys(0..<2)).pendingCount == 2)
    #expect(rig.takeObjects().isEmpty)
    try rig.report(look, part: 0)
    try rig.report(look, part: 1)
    try rig.report(look, part: 2, .missing)
    #expect(try rig.match(request(1), keys(0..<3)).pendingCount == 2)
    let gets = rig.take()
    #expect(gets.count == 2)
    for get in gets { try rig.report(get) }
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 2, pendingCount: 0))
    #expect(rig.counters.blocksFetched == 2)
    // What came from there is not put there.
    _ = try rig.store(request(1), keys(0..<2))
    #expect(rig.takeObjects().isEmpty)
  }

  @Test("An answer that is late is not waited for")
  func lateAnswer() throws {
    var rig = try makeRig()
    #expect(try rig.match(request(1), keys(0..<1)).pendingCount == 1)
    guard case .look(let look, _)? = rig.takeObjects().first else { throw RigError() }
    try rig.tick(after: 450)
    #expect(try rig.match(request(1), keys(0..<1)) == .none)
    // It is of use to the next one all the same.
    try rig.report(look)
    #expect(try rig.match(request(2), keys(0..<1)).pendingCount == 1)
    guard case .get? = rig.takeObjects().first else { throw RigError() }
  }

  @Test(
    "An object that is not there, or wrong, is not believed in any more",
    arguments: [Outcome.missing, .corrupt])
  func gone(outcome: Outcome) throws {
    var rig = try makeRig()
    try rig.storeAndPut(keys(0..<1), .success)
    try rig.loseHost()
    #expect(try rig.match(request(2), keys(0..<1)).pendingCount == 1)
    try rig.report(rig.take().last!, outcome)
    #expect(try rig.match(request(2), keys(0..<1)) == .none)
    #expect(rig.takeObjects().isEmpty)
    #expect(rig.counts(.host).free == 4)
    // After a time it is asked for again, and it is put when it comes by.
    try rig.tick(after: 300)
    _ = try rig.match(request(3), keys(0..<1))
    guard case .look? = rig.takeObjects().first else { throw RigError() }
    _ = try rig.store(request(4), keys(0..<1))
    try rig.report(rig.take()[0])
    guard case .put? = rig.takeObjects().first else { throw RigError() }
  }

  @Test("A get that is late leaves its slot in quarantine until it is reported")
  func quarantine() throws {
    var rig = try makeRig()
    #expect(try rig.match(request(1), keys(0..<1)).pendingCount == 1)
    try rig.report(rig.take()[0])
    #expect(try rig.match(request(1), keys(0..<1)).pendingCount == 1)
    let get = rig.take()[0]
    try rig.tick(after: 600)
    #expect(rig.counts(.host).quarantined == 1 && rig.counters.getsTimedOut == 1)
    try rig.report(get)
    #expect(rig.counts(.host).free == 4)
  }

  @Test("A store that does not answer is left alone, and tried again ever more seldom")
  func breaker() throws {
    var rig = try makeRig { $0.absentNanoseconds = 0 }
    try rig.storeAndPut(keys(0..<2), .failure)
    #expect(rig.isShut && rig.counters.objectStoreShuts == 1)
    // What is stored waits, and nobody waits for an answer.
    _ = try rig.store(request(2), keys(0..<1))
    #expect(try rig.match(request(3), keys(5..<6)) == .none)
    let pendingCount = rig.engine.pendingWriteCount
    #expect(rig.takeObjects().isEmpty && pendingCount == 0)
    for pause in [1000, 2000, 4000] as [UInt64] {
      try rig.tick(after: pause - 1)
      #expect(rig.takeObjects().isEmpty)
      try rig.tick(after: 1)
      _ = try rig.match(request(3), keys(5..<6))
      let trial = rig.takeObjects()
      #expect(trial.count == 1)
      try rig.report(trial[0].operation!, .failure)
    }
    try rig.tick(after: 8000)
    _ = try rig.match(request(3), keys(5..<6))
    // To be asked and to have nothing is an answer.
    try rig.report(rig.take().last!, .missing)
    #expect(rig.isShut == false)
  }

  @Test("A store that nobody wants anything of is tried as well, for what it did not answer")
  func idleTrial() throws {
    var rig = try makeRig { $0.absentNanoseconds = 0 }
    try rig.storeAndPut(keys(0..<2), .failure)
    #expect(rig.isShut && rig.takeObjects().isEmpty)
    try rig.tick(after: 999)
    #expect(rig.takeObjects().isEmpty)
    try rig.tick(after: 1)
    guard case .look(let look, let records)? = rig.takeObjects().first else { throw RigError() }
    #expect(records.map(\.key) == [key(1)])
    try rig.report(look)
    let isBelieved = rig.believes(1)
    #expect(!rig.isShut && isBelieved)
  }

  @Test("What is lost on disk comes from the object store")
  func besideDisk() throws {
    var rig = try makeRig(host: 4, disk: 4)
    try rig.storeAndPut(keys(0..<2), .success)
    #expect(rig.counters.blocksWritten == 2 && rig.counters.blocksPut == 2)
    try rig.loseHost()
    _ = try rig.match(request(2), keys(0..<2))
    let reads = rig.effects.filter { if case .read = $0 { true } else { false } }
    #expect(reads.count == 2)
    for operation in rig.take() { try rig.report(operation, .corrupt) }
    #expect(try rig.match(request(3), keys(0..<2)).pendingCount == 2)
    #expect(rig.takeObjects().count == 2)
  }

  @Test("Keys are remembered up to the limit, the first ones are forgotten first")
  func bounded() throws {
    var rig = try makeRig(host: 2) { $0.objectKeyLimit = 3 }
    for position in 0..<5 {
      _ = try rig.store(request(1), [key(position)], first: position, parentKey: parent(position))
      try rig.finishAll()
    }
    var known: [Bool] = []
    for position in 0..<5 { known.append(rig.believes(position)) }
    #expect(known == [false, false, true, true, true])
  }

  @Test("All that is asked at once is answered part by part")
  func questions() throws {
    var rig = try makeRig()
    #expect(try rig.match(request(1), keys(0..<100)).pendingCount == 32)
    guard case .look(let look, let records)? = rig.takeObjects().first else { throw RigError() }
    #expect(records.count == 32)
    for part in 0..<32 { try rig.report(look, part: part) }
    let operationCount = rig.engine.operationCount
    #expect(operationCount == 0 && rig.counters.objectsAsked == 32)
  }
}
