import BlockEngine
import Testing

@Suite("Staging")
struct StagingTests {
  /// A rig whose disk alone has the first `count` blocks of sequence 0.
  private func rig(
    host: Int = 8, onDisk count: Int, _ change: (inout Limits) -> Void = { _ in }
  ) throws -> Rig {
    var rig = try Rig(host: host, disk: 0, change)
    let classID = try rig.engine.open(slotBytes: 128, host: host, disk: 16)
    let namespace = try rig.engine.open(groups: 1, in: classID)
    rig.engine.addExtent(.host, classID, slots: 0..<UInt32(host))
    rig.engine.addExtent(
      .disk, classID, slots: 0..<16,
      residents: (0..<count).map { resident($0, slot: UInt32($0), namespace) })
    rig.engine.finishScan(classID)
    try rig.settle()
    rig.effects = []
    return try Rig(rig, classID, namespace)
  }

  private func resident(_ position: Int, slot: UInt32, _ namespace: NamespaceID) -> Resident {
    Resident(
      slot: slot,
      record: BlockRecord(
        key: key(position), parentKey: position == 0 ? root : key(position - 1),
        position: UInt32(position), group: 0, namespace: namespace),
      writeSequence: UInt64(position), lastUsed: UInt64(position))
  }

  @Test("What is known is read, and ready when it is verified")
  func staging() throws {
    var rig = try rig(onDisk: 3)
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 0, pendingCount: 3))
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 0, pendingCount: 3))
    let reads = rig.take()
    #expect(reads.count == 3 && rig.engine.operationCount == 3)
    try rig.report(reads[1])
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 0, pendingCount: 3))
    try rig.report(reads[0])
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 2, pendingCount: 1))
    try rig.report(reads[2])
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 3, pendingCount: 0))
    let load = try #require(try rig.commit(request(1), 3))
    try rig.report(load)
    #expect(rig.counts(.host) == SlotCounts(free: 5, cached: 3))
    #expect(rig.engine.counters.blocksStaged == 3)
  }

  @Test("Two requests wait for one read, and each has its own pin")
  func shared() throws {
    var rig = try rig(onDisk: 1)
    for number in 1...2 as ClosedRange<UInt64> {
      #expect(try rig.match(request(number), keys(0..<1)).pendingCount == 1)
    }
    try rig.report(#require(rig.take().first))
    #expect(rig.engine.counters.blocksStaged == 1)
    rig.engine.cancel(request(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 1)
    rig.engine.cancel(request(2))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 0)
  }

  @Test("A request waits for a store that is on its way, and then has its block")
  func waitsForStore() throws {
    var rig = try Rig()
    _ = try rig.store(request(1), keys(0..<2))
    #expect(try rig.match(request(2), keys(0..<3)) == Match(readyCount: 0, pendingCount: 2))
    let stores = rig.take()
    try rig.report(stores[0])
    try rig.report(stores[1], .failure)
    #expect(try rig.match(request(2), keys(0..<3)) == Match(readyCount: 1, pendingCount: 0))
  }

  @Test("What is staged outlives the step, up to the deadline, and is then given back")
  func deadline() throws {
    var rig = try rig(onDisk: 2)
    _ = try rig.match(request(1), keys(0..<2))
    let reads = rig.take()
    try rig.report(reads[0])
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 1)
    #expect(try rig.match(request(1), keys(0..<2)) == Match(readyCount: 1, pendingCount: 1))
    try rig.tick(after: rig.engine.limits.stagingNanoseconds)
    #expect(rig.counts(.host).pinned == 0, "the lease is over as well")
    #expect(try rig.match(request(1), keys(0..<2)) == Match(readyCount: 1, pendingCount: 0))
    try rig.report(reads[1])
    #expect(try rig.match(request(1), keys(0..<2)) == Match(readyCount: 2, pendingCount: 0))
    #expect(rig.engine.counters.stagingExpired == 1)
  }

  @Test("After a load a request may wait anew; after giving up it may not")
  func deadlineAfterLoad() throws {
    var rig = try rig(onDisk: 3)
    _ = try rig.match(request(1), keys(0..<1))
    try rig.report(#require(rig.take().first))
    _ = try rig.match(request(1), keys(0..<1))
    try rig.report(#require(try rig.commit(request(1), 1)))
    try rig.tick(after: 2 * rig.engine.limits.stagingNanoseconds)
    #expect(try rig.match(request(1), keys(0..<2)) == Match(readyCount: 1, pendingCount: 1))
    try rig.tick(after: 2 * rig.engine.limits.stagingNanoseconds)
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 1, pendingCount: 0))
  }

  @Test("A prefix longer than the budget is taken as far as it fits")
  func budget() throws {
    var rig = try rig(host: 8, onDisk: 10) { $0.stagingHoldLimit = 4 }
    #expect(try rig.match(request(1), keys(0..<10)) == Match(readyCount: 0, pendingCount: 4))
    #expect(rig.engine.counters.stagingRefused == 1)
    for read in rig.take() { try rig.report(read) }
    #expect(try rig.match(request(1), keys(0..<10)) == Match(readyCount: 4, pendingCount: 0))
    let load = try #require(try rig.commit(request(1), 4))
    try rig.report(load)
    #expect(try rig.match(request(1), keys(0..<10)) == Match(readyCount: 4, pendingCount: 4))
  }

  @Test("Who waits longest may stage three quarters of the slots; those behind, up to half")
  func eldest() throws {
    var rig = try rig(host: 8, onDisk: 10)
    #expect(try rig.match(request(1), keys(0..<3)).pendingCount == 3)
    #expect(try rig.match(request(2), keys(5..<10), first: 5).pendingCount == 1)
    #expect(try rig.match(request(1), keys(0..<10)).pendingCount == 6)
    rig.engine.cancel(request(1))
    try rig.finishAll()
    #expect(
      try rig.match(request(2), keys(5..<10), first: 5) == Match(readyCount: 1, pendingCount: 4))
  }

  @Test("A block that many requests wait for takes up the budget once")
  func sharedBudget() throws {
    var rig = try rig(host: 8, onDisk: 6) { $0.stagingHoldLimit = 3 }
    for number in 1...5 as ClosedRange<UInt64> {
      #expect(try rig.match(request(number), keys(0..<3)).pendingCount == 3)
    }
    #expect(try rig.match(request(6), keys(0..<4)).pendingCount == 3)
    for read in rig.take() { try rig.report(read) }
    for number in 1...5 as ClosedRange<UInt64> { rig.engine.cancel(request(number)) }
    try rig.settle()
    #expect(rig.counts(.host).pinned == 3)
    #expect(try rig.match(request(7), keys(4..<6), first: 4).pendingCount == 0)
    rig.engine.cancel(request(6))
    #expect(try rig.match(request(7), keys(4..<6), first: 4).pendingCount == 2)
  }

  @Test("Claims have a limit of their own")
  func claims() throws {
    var rig = try rig(onDisk: 2) { $0.stagingClaimLimit = 3 }
    #expect(try rig.match(request(1), keys(0..<2)).pendingCount == 2)
    #expect(try rig.match(request(2), keys(0..<2)).pendingCount == 1)
    #expect(rig.engine.counters.stagingRefused == 1)
  }

  @Test("Two requests that are half staged end at their deadlines, and nothing is stuck")
  func noDeadlock() throws {
    var rig = try rig(host: 4, onDisk: 6) { $0.stagingHoldLimit = 4 }
    #expect(try rig.match(request(1), keys(0..<2)).pendingCount == 2)
    #expect(try rig.match(request(2), keys(3..<6), first: 3).pendingCount == 2)
    for read in rig.take() { try rig.report(read) }
    let second = try rig.match(request(2), keys(3..<6), first: 3)
    #expect(second == Match(readyCount: 2, pendingCount: 0))
    try rig.tick(after: rig.engine.limits.stagingNanoseconds)
    try rig.tick(after: rig.engine.limits.leaseNanoseconds)
    #expect(rig.counts(.host).pinned == 0)
    let third = try rig.match(request(3), keys(3..<6), first: 3)
    #expect(third == Match(readyCount: 2, pendingCount: 1))
  }

  @Test("The end of the ready prefix is held while the rest is staged")
  func anchor() throws {
    var rig = try rig(host: 8, onDisk: 3)
    _ = try rig.match(request(1), keys(0..<2))
    for read in rig.take() { try rig.report(read) }
    rig.engine.cancel(request(1))
    #expect(try rig.match(request(2), keys(0..<3)) == Match(readyCount: 2, pendingCount: 1))
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 1, "the second block; the first is its parent")
    #expect(rig.counts(.host).filling == 1)
  }

  @Test("A corrupt copy is removed at once, and the prefix ends there")
  func corrupt() throws {
    var rig = try rig(onDisk: 3)
    _ = try rig.match(request(1), keys(0..<3))
    let reads = rig.take()
    try rig.report(reads[0])
    try rig.report(reads[1], .corrupt)
    #expect(rig.counts(.disk).cached == 1 && rig.counts(.disk).pinned == 1)
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 1, pendingCount: 0))
    try rig.report(reads[2])
    #expect(rig.engine.counters.corruptCopies == 1)
    #expect(rig.counts(.disk) == SlotCounts(free: 14, cached: 2))
  }

  @Test("A copy that cannot be read stays, is not offered to who waited, and goes the third time")
  func unreadable() throws {
    var rig = try rig(onDisk: 2)
    for number in 1...3 as ClosedRange<UInt64> {
      let match = try rig.match(request(number), keys(0..<2))
      #expect(match.readyCount + match.pendingCount == 2 && match.pendingCount > 0)
      let reads = rig.take()
      for read in reads.dropLast() { try rig.report(read) }
      try rig.report(#require(reads.last), .failure)
      #expect(try rig.match(request(number), keys(0..<2)) == Match(readyCount: 1, pendingCount: 0))
    }
    #expect(rig.engine.counters.unreadableCopies == 1)
    #expect(rig.counts(.disk).cached == 1)
  }

  @Test("A staged block that is condemned before its load is fetched again")
  func condemned() throws {
    var rig = try rig(onDisk: 2)
    _ = try rig.match(request(1), keys(0..<2))
    guard case .read(let read, _, _, let target)? = rig.effects.first else { throw RigError() }
    rig.effects = []
    try rig.report(read)
    rig.effects = []
    rig.engine.remove(target)
    #expect(try rig.match(request(1), keys(0..<2)) == Match(readyCount: 0, pendingCount: 2))
    #expect(rig.effects.compactMap(\.operation).count == 1, "a second read of the first block")
    #expect(rig.counts(.host) == SlotCounts(free: 6, filling: 2))
  }

  @Test("A late read is quarantined with its source pinned, until the driver's reset")
  func lateRead() throws {
    var rig = try rig(onDisk: 1) { $0.stagingNanoseconds = 1 << 40 }
    _ = try rig.match(request(1), keys(0..<1))
    let read = try #require(rig.take().first)
    try rig.tick(after: rig.engine.limits.transferNanoseconds)
    #expect(rig.counts(.host).quarantined == 1 && rig.counts(.disk).pinned == 1)
    #expect(try rig.match(request(1), keys(0..<1)) == .none)
    try rig.report(read, .failure)
    #expect(rig.counts(.host).free == 8 && rig.counts(.disk).cached == 1)
  }

  @Test("Reads beyond their limit are refused, and what is under way is still waited for")
  func readLimit() throws {
    var rig = try rig(onDisk: 4) { $0.readLimit = 2 }
    #expect(try rig.match(request(1), keys(0..<4)).pendingCount == 2)
    #expect(rig.engine.counters.readsRefused == 1)
    try rig.report(#require(rig.take().first))
    #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 1, pendingCount: 2))
  }

  @Test("Blocks of the host behind a gap are held while the gap is filled")
  func gap() throws {
    var rig = try rig(onDisk: 2)
    _ = try rig.store(request(9), [key(2)], first: 2)
    try rig.finishAll()
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 0, pendingCount: 3))
    #expect(rig.counts(.host).pinned == 1 && rig.counts(.host).filling == 2)
    for read in rig.take() { try rig.report(read) }
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 3, pendingCount: 0))
  }
}

extension Rig {
  /// The same engine, seen through another class and namespace.
  init(_ other: consuming Rig, _ classID: ClassID, _ namespace: NamespaceID) throws {
    self.classID = classID
    self.namespace = namespace
    now = other.now
    engine = other.engine
  }
}
