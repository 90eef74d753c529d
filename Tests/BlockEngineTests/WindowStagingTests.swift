import BlockEngine
import Testing

@Suite("Staging of windows")
struct WindowStagingTests {
  /// A rig with these groups, whose disk alone has `keys(0..<count)` of them all.
  private func rig(
    _ windows: [Int?], host: Int = 32, onDisk count: Int,
    _ change: (inout Limits) -> Void = { _ in }
  ) throws -> Rig {
    var rig = try Rig(host: host, disk: 64, windows: windows, change)
    for index in 0..<count {
      _ = try rig.store(request(9), [key(index)], first: index, parentKey: parent(index))
      try rig.finishAll()
    }
    rig.engine.cancel(request(9))
    let isRetired = rig.engine.retireExtent(.host, rig.classID, slots: 0..<UInt32(host))
    #expect(isRetired)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<UInt32(host))
    try rig.settle()
    rig.effects = []
    return rig
  }

  /// Positions and groups of the reads that are to be done.
  private func reads(_ rig: borrowing Rig) -> [String] {
    rig.effects.compactMap { effect in
      guard case .read(_, let record, _, _) = effect else { return nil }
      return "\(record.position)/\(record.group)"
    }
  }

  @Test("Of a windowed group only the window is read, of a full one everything")
  func windowIsRead() throws {
    var rig = try rig([nil, 2], onDisk: 4)
    #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 0, pendingCount: 4))
    #expect(reads(rig) == ["0/0", "1/0", "2/0", "2/1", "3/0", "3/1"])
    for read in rig.take() {
      #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 0, pendingCount: 4))
      try rig.report(read)
    }
    #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 4, pendingCount: 0))
    #expect(rig.engine.operationCount == 0 && rig.engine.counters.blocksStaged == 6)
  }

  @Test("A prefix that does not fit the budget is taken as far as it does, windows included")
  func budget() throws {
    var rig = try rig([nil, 2, 2], onDisk: 8) {
      $0.stagingHoldLimit = 8
      $0.readLimit = 64
    }
    // Eight blocks would need 12, five need 9, four need 8.
    for _ in 0..<3 {
      #expect(try rig.match(request(1), keys(0..<8)) == Match(readyCount: 0, pendingCount: 4))
      #expect(rig.engine.operationCount == 8, "no read that nobody needs")
    }
    #expect(rig.engine.counters.stagingRefused == 1)
    for read in rig.take() { try rig.report(read) }
    #expect(try rig.match(request(1), keys(0..<8)) == Match(readyCount: 4, pendingCount: 0))
    #expect(rig.counts(.host).pinned == 8, "what was staged stays until it is loaded")
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 8)
    #expect(try rig.match(request(1), keys(0..<8)).readyCount == 4)
    try rig.report(#require(try rig.commit(request(1), 4)))
    // All eight need 4 more of the full group, and 2 of each other one.
    #expect(try rig.match(request(1), keys(0..<8)) == Match(readyCount: 4, pendingCount: 4))
  }

  @Test("What was begun is brought to its end before a longer prefix is")
  func begun() throws {
    var rig = try rig([2], onDisk: 8)
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 0, pendingCount: 3))
    let reads = rig.take()
    #expect(try rig.match(request(1), keys(0..<8)) == Match(readyCount: 0, pendingCount: 3))
    #expect(self.reads(rig).isEmpty)
    for read in reads { try rig.report(read) }
    rig.effects = []
    #expect(try rig.match(request(1), keys(0..<8)) == Match(readyCount: 3, pendingCount: 5))
    #expect(self.reads(rig) == ["6/0", "7/0"])
    #expect(rig.counts(.host).pinned == 2, "the window of 3 stays as well")
  }

  @Test("A window that no room is left for at all is waited for by nobody")
  func noRoom() throws {
    var rig = try rig([3], onDisk: 3) { $0.stagingHoldLimit = 2 }
    #expect(try rig.match(request(1), keys(0..<3)) == Match(readyCount: 0, pendingCount: 2))
    rig.engine.cancel(request(1))
    var narrow = try self.rig([nil, 1], onDisk: 2) { $0.stagingHoldLimit = 1 }
    #expect(try narrow.match(request(1), keys(0..<2)) == .none)
    #expect(narrow.engine.operationCount == 0 && narrow.engine.counters.stagingRefused == 1)
    var busy = try self.rig([nil, 1], onDisk: 2) { $0.readLimit = 1 }
    #expect(try busy.match(request(1), keys(0..<2)) == .none)
    #expect(busy.engine.operationCount == 0 && busy.engine.counters.readsRefused == 1)
    var small = try self.rig([nil, 1], host: 2, onDisk: 1) { $0.stagingHoldLimit = 2 }
    _ = try small.store(request(8), [key(1, sequence: 3)], firstOffered: [0, 1])
    #expect(try small.match(request(1), keys(0..<1)) == .none)
    #expect(small.engine.counters.hostExhausted == 1)
  }

  @Test("Blocks of the window that the ready prefix has are held while the rest is staged")
  func overlap() throws {
    var rig = try rig([3], onDisk: 4)
    _ = try rig.match(request(1), keys(0..<3))
    for read in rig.take() { try rig.report(read) }
    rig.engine.cancel(request(1))
    #expect(try rig.match(request(2), keys(0..<4)) == Match(readyCount: 3, pendingCount: 1))
    #expect(reads(rig) == ["3/0"])
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 2 && rig.counts(.host).cached == 1)
    try rig.report(#require(rig.take().first))
    #expect(try rig.match(request(2), keys(0..<4)) == Match(readyCount: 4, pendingCount: 0))
  }

  @Test("The ends of the ready prefix are held, though the window lies behind them")
  func ends() throws {
    var rig = try rig([nil, 1], onDisk: 4)
    _ = try rig.match(request(1), keys(0..<2))
    for read in rig.take() { try rig.report(read) }
    rig.engine.cancel(request(1))
    #expect(try rig.match(request(2), keys(0..<4)) == Match(readyCount: 2, pendingCount: 2))
    #expect(reads(rig) == ["2/0", "3/0", "3/1"])
    rig.engine.endStep(EngineID(1))
    try rig.settle()
    #expect(rig.counts(.host).pinned == 2 && rig.counts(.host).cached == 1)
  }

  @Test("A read that fails ends the prefix before its block, and what is left is chosen anew")
  func failedRead() throws {
    var rig = try rig([nil, 2], onDisk: 4)
    #expect(try rig.match(request(1), keys(0..<4)).pendingCount == 4)
    let window = rig.effects.compactMap { effect -> OperationID? in
      guard case .read(let id, let record, _, _) = effect else { return nil }
      return record.group == 1 && record.position == 2 ? id : nil
    }
    let others = rig.take().filter { $0 != window.first }
    try rig.report(#require(window.first), .failure)
    #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 0, pendingCount: 2))
    #expect(reads(rig) == ["0/1", "1/1"])
    for read in others + rig.take() { try rig.report(read) }
    #expect(try rig.match(request(1), keys(0..<4)) == Match(readyCount: 2, pendingCount: 0))
  }

  @Test("A request gives up at its deadline, and has what is ready")
  func deadline() throws {
    var rig = try rig([2], onDisk: 3)
    #expect(try rig.match(request(1), keys(0..<3)).pendingCount == 3)
    try rig.report(#require(rig.take().first))
    try rig.tick(after: rig.engine.limits.stagingNanoseconds)
    #expect(rig.counts(.host).pinned == 0)
    #expect(try rig.match(request(1), keys(0..<3)) == .none)
  }
}
