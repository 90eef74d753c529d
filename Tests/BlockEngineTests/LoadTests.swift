import BlockEngine
import Testing

@Suite("Matches and loads")
struct LoadTests {
  /// A rig whose host tier has the first `count` blocks of sequence 0.
  private func rig(
    having count: Int, parts: Int = 1, _ change: (inout Limits) -> Void = { _ in }
  ) throws -> Rig {
    var rig = try Rig(parts: parts, change)
    _ = try rig.store(request(99), keys(0..<count))
    try rig.finishAll(partCount: parts)
    rig.engine.cancel(request(99))
    return rig
  }

  @Test("A match promises the ready prefix, pins it, and is idempotent")
  func promise() throws {
    var rig = try rig(having: 3)
    for _ in 0..<3 {
      #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 3, pendingCount: 0))
      #expect(rig.counts(.host).pinned == 3)
    }
    #expect(try rig.match(request(1), keys(1..<3), first: 1).readyCount == 2)
    #expect(rig.counts(.host).pinned == 2)
    #expect(try rig.match(request(1), [key(7)]).readyCount == 0)
    #expect(rig.counts(.host).pinned == 0)
  }

  @Test("A promise that is not committed lapses with its step, or with its lease")
  func lapse() throws {
    var rig = try rig(having: 3)
    _ = try rig.match(request(1), keys(0..<3))
    _ = try rig.match(request(1, engine: 2), keys(0..<2))
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 2)
    #expect(try rig.commit(request(1), 3) == nil)
    try rig.tick(after: rig.engine.limits.leaseNanoseconds)
    #expect(rig.counts(.host).pinned == 0)
    #expect(rig.engine.counters.leasesLapsed == 2)
  }

  @Test("A load takes the first blocks of a promise, and the rest is released")
  func commit() throws {
    var rig = try rig(having: 3, parts: 2)
    #expect(try rig.match(request(1), keys(0..<3)).readyCount == 3)
    #expect(try rig.commit(request(1), 4) == nil)
    #expect(try rig.commit(request(1), 0) == nil)
    rig.effects = []
    let operation = try #require(try rig.commit(request(1), 2))
    let positions = rig.effects.map { effect in
      if case .onboard(operation, request(1), let position, 0, _) = effect { position } else { -1 }
    }
    #expect(positions == [0, 1])
    #expect(rig.counts(.host).pinned == 2)
    #expect(try rig.commit(request(1), 1) == nil, "one load at a time")
    #expect(try rig.match(request(1), keys(0..<3)) == .none)
    rig.engine.endStep(EngineID(1))
    try rig.tick(after: 1 << 40)
    #expect(rig.counts(.host).pinned == 2, "a load has no deadline")
    rig.effects = []
    try rig.report(operation, part: 0)
    #expect(rig.effects.isEmpty)
    try rig.report(operation, part: 1)
    #expect(rig.effects == [.loadEnded(operation, request(1), loadedCount: 2)])
    #expect(rig.counts(.host).pinned == 0)
    #expect(rig.engine.counters.blocksLoaded == 2)
    #expect(try rig.match(request(1), keys(0..<3)).readyCount == 3)
  }

  @Test("A request whose load failed is offered nothing again; others are")
  func failedLoad() throws {
    var rig = try rig(having: 2)
    _ = try rig.match(request(1), keys(0..<2))
    let operation = try #require(try rig.commit(request(1), 2))
    rig.effects = []
    try rig.report(operation, .failure)
    #expect(rig.effects == [.loadEnded(operation, request(1), loadedCount: 0)])
    #expect(try rig.match(request(1), keys(0..<2)) == .none)
    #expect(try rig.match(request(2), keys(0..<2)).readyCount == 2)
  }

  @Test("A load that found wrong bytes condemns its blocks at once")
  func corruptLoad() throws {
    var rig = try rig(having: 3, parts: 2)
    _ = try rig.match(request(1), keys(0..<2))
    let operation = try #require(try rig.commit(request(1), 2))
    try rig.report(operation, part: 0, .corrupt)
    #expect(try rig.match(request(2), keys(0..<3)).readyCount == 0)
    #expect(rig.counts(.host).pinned == 2, "the other rank still reads")
    try rig.report(operation, part: 1)
    #expect(rig.counts(.host) == SlotCounts(free: 7, cached: 1))
    #expect(rig.engine.counters.corruptCopies == 1)
  }

  @Test("Who knows the one bad block removes it alone")
  func removal() throws {
    var rig = try rig(having: 3)
    _ = try rig.match(request(1), keys(0..<3))
    rig.effects = []
    let operation = try #require(try rig.commit(request(1), 3))
    guard case .onboard(_, _, _, _, let bad) = rig.effects[1] else { throw RigError() }
    let isRemoved = rig.engine.remove(bad)
    let isRemovedAgain = rig.engine.remove(bad)
    #expect(isRemoved && !isRemovedAgain)
    try rig.report(operation, .failure)
    #expect(try rig.match(request(2), keys(0..<3)).readyCount == 1)
    #expect(rig.counts(.host) == SlotCounts(free: 6, pinned: 1, cached: 1))
  }

  @Test("A load that was cancelled goes on, and is told once")
  func cancelledLoad() throws {
    var rig = try rig(having: 2)
    _ = try rig.match(request(1), keys(0..<2))
    let operation = try #require(try rig.commit(request(1), 2))
    rig.engine.cancel(request(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 2)
    #expect(try rig.match(request(1), keys(0..<2)) == .none)
    rig.effects = []
    try rig.report(operation)
    #expect(rig.effects == [.loadEnded(operation, request(1), loadedCount: 2)])
    #expect(rig.engine.requestCount == 0)
    #expect(rig.counts(.host).pinned == 0)
  }

  @Test("A detached engine's loads end, its promises go, and its reports are stale")
  func detach() throws {
    var rig = try rig(having: 3)
    _ = try rig.match(request(1), keys(0..<2))
    let operation = try #require(try rig.commit(request(1), 2))
    _ = try rig.match(request(2), keys(0..<3))
    _ = try rig.match(request(1, engine: 2), keys(0..<1))
    rig.effects = []
    rig.engine.detach(EngineID(1), now: rig.now)
    try rig.settle()
    #expect(rig.effects == [.loadEnded(operation, request(1), loadedCount: 0)])
    #expect(rig.counts(.host).pinned == 1)
    try rig.report(operation)
    #expect(rig.engine.counters.staleReports == 1)
  }

  @Test("Requests beyond the limit are refused and counted, keys beyond it are not looked at")
  func limits() throws {
    var rig = try rig(having: 3) {
      $0.requestLimit = 2
      $0.keyLimit = 2
    }
    // The store went in two calls, for the same reason.
    _ = try rig.store(request(99), keys(2..<3), first: 2)
    try rig.finishAll()
    rig.engine.cancel(request(99))
    #expect(try rig.match(request(1), keys(0..<3)).readyCount == 2)
    #expect(try rig.match(request(2), keys(0..<1)).readyCount == 1)
    #expect(try rig.match(request(3), keys(0..<1)) == .none)
    #expect(rig.engine.counters.requestsRefused == 1 && rig.engine.counters.keysCut == 2)
    rig.engine.cancel(request(1))
    #expect(try rig.match(request(3), keys(0..<1)).readyCount == 1)
  }

  @Test("A call in a namespace that does not exist, or has no groups, finds nothing")
  func unknownNamespace() throws {
    var rig = try rig(having: 1)
    let bare = try rig.engine.open(groups: 0, in: rig.classID)
    for namespace in [bare, NamespaceID(77)] {
      let match = rig.engine.match(request(1), in: namespace, keys: keys(0..<1), now: rig.now)
      let answer = rig.engine.prepareStore(
        request(1), in: namespace, keys: keys(0..<1), now: rig.now)
      #expect(match == .none && answer == .none)
    }
    #expect(rig.engine.counters.invalidCalls == 4)
    let place = GroupPlace(classID: rig.classID, partCount: 1)
    let answers = [
      rig.engine.place([place], of: bare), rig.engine.place([place], of: bare),
      rig.engine.place([place, place], of: bare), rig.engine.place([place], of: NamespaceID(77)),
    ]
    #expect(answers == [true, true, false, false])
    #expect(
      rig.engine.match(request(1), in: bare, keys: keys(0..<1), now: rig.now).readyCount == 1)
  }

  @Test("The key of no block is neither stored nor found")
  func noKey() throws {
    var rig = try Rig()
    let answer = try rig.store(request(1), [.none, key(1)])
    #expect(answer == StoreAnswer(coveredCount: 2, offloadCount: 1))
    try rig.finishAll()
    #expect(try rig.match(request(1), [.none, key(1)]) == .none)
  }

  @Test("A negative or huge position is a call that finds nothing")
  func positions() throws {
    var rig = try rig(having: 1)
    for first in [-1, Int.min, Int.max, Int(UInt32.max)] {
      #expect(try rig.match(request(1), keys(0..<1), first: first) == .none)
      #expect(try rig.store(request(1), keys(0..<1), first: first) == .none)
    }
    #expect(rig.engine.counters.invalidCalls == 8)
  }
}
