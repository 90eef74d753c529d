import BlockEngine
import Testing

@Suite("Conversations that will be back")
struct PrefetchTests {
  private static let second: UInt64 = 1_000_000_000

  /// Stores blocks and takes the host's memory away, so that only the disk has them.
  private func onDisk(
    _ rig: inout Rig, _ keys: [BlockKey], host: Int = 8, back: UInt64? = 80 * second
  ) throws {
    if let back { rig.engine.expectBack(request(1), in: rig.namespace, after: back) }
    _ = try rig.store(request(1), keys)
    try rig.finishAll()
    rig.engine.cancel(request(1))
    let isRetired = rig.engine.retireExtent(.host, rig.classID, slots: 0..<UInt32(host))
    #expect(isRetired)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<UInt32(host))
    try rig.settle()
    rig.effects = []
  }

  /// Keys that are read, in order.
  private func reads(_ rig: borrowing Rig) -> [BlockKey] {
    rig.effects.compactMap { effect in
      if case .read(_, let record, _, _) = effect { record.key } else { nil }
    }
  }

  /// Time passes and reads end, until nothing more is read; the keys in order.
  private func readAhead(_ rig: inout Rig) throws -> [BlockKey] {
    var found: [BlockKey] = []
    for _ in 0..<20 {
      try rig.tick(after: 1)
      found += reads(rig)
      for operation in rig.take() { try rig.report(operation) }
    }
    return found
  }

  @Test("What only the disk has is read shortly before, from the first block on")
  func ahead() throws {
    var rig = try Rig(disk: 8)
    try onDisk(&rig, keys(0..<4))
    try rig.tick(after: 1)
    #expect(rig.engine.expectedReturnCount == 1)
    // An eighth of the time, and two seconds.
    try rig.tick(after: 68 * Self.second - 1)
    #expect(reads(rig).isEmpty)
    try rig.tick(after: 1)
    let first = reads(rig)
    let rest = try readAheadRest(&rig)
    #expect(first + rest == keys(0..<4))
    #expect(rig.engine.counters.blocksPrefetched == 4 && rig.engine.expectedReturnCount == 0)
    #expect(rig.counts(.host).cached == 4)
    let match = try rig.match(request(2), keys(0..<4))
    #expect(match == Match(readyCount: 4, pendingCount: 0))
  }

  @Test("Nobody says so, and nothing is read")
  func silence() throws {
    var rig = try Rig(disk: 8)
    try onDisk(&rig, keys(0..<4), back: nil)
    try rig.tick(after: 1_000 * Self.second)
    let found = try readAhead(&rig)
    #expect(found.isEmpty && rig.engine.counters.blocksPrefetched == 0)
  }

  @Test("What is there is not read, and no more than the staging budget of the rest")
  func budget() throws {
    var rig = try Rig(disk: 8) { $0.stagingHoldLimit = 3 }
    try onDisk(&rig, keys(0..<6))
    _ = try rig.store(request(2), keys(0..<2))
    try rig.finishAll()
    rig.engine.cancel(request(2))
    try rig.tick(after: 1)
    rig.effects = []
    try rig.tick(after: 80 * Self.second)
    let first = reads(rig)
    let rest = try readAheadRest(&rig)
    #expect(first + rest == keys(2..<5))
    #expect(rig.engine.counters.prefetchesCut == 1)
  }

  private func readAheadRest(_ rig: inout Rig) throws -> [BlockKey] {
    for operation in rig.take() { try rig.report(operation) }
    return try readAhead(&rig)
  }

  @Test("Requests that wait come first: reading ahead takes what they leave over")
  func afterOthers() throws {
    var rig = try Rig(disk: 8) { $0.readLimit = 8 }
    try onDisk(&rig, keys(0..<6), back: 8 * Self.second)
    try rig.tick(after: 1)
    let match = try rig.match(request(2), keys(0..<2))
    let waiting = rig.take()
    #expect(match.pendingCount == 2 && waiting.count == 2)
    try rig.tick(after: 5 * Self.second)
    #expect(reads(rig).isEmpty, "a quarter of eight is under way")
    for operation in waiting { try rig.report(operation) }
    let found = try readAhead(&rig)
    #expect(found == keys(2..<6))
  }

  @Test("Of a window only the last blocks are read")
  func windows() throws {
    var rig = try Rig(host: 16, disk: 16, windows: [nil, 2])
    try onDisk(&rig, keys(0..<4), host: 16)
    try rig.tick(after: 1)
    try rig.tick(after: 80 * Self.second)
    let first = reads(rig)
    let rest = try readAheadRest(&rig)
    #expect(first + rest == [0, 1, 2, 2, 3, 3].map { key($0) })
    let match = try rig.match(request(2), keys(0..<4))
    #expect(match.readyCount == 4)
  }

  @Test("Without one of its blocks nothing is read, and that is counted")
  func hole() throws {
    var rig = try Rig(disk: 8)
    try onDisk(&rig, keys(0..<4))
    var second: BlockID?
    rig.engine.forEachRegistered(.disk, rig.classID) { block, record in
      if record.position == 1 { second = block }
    }
    let block = try #require(second)
    rig.engine.remove(BlockRef(tier: .disk, classID: rig.classID, block: block))
    try rig.tick(after: 1)
    try rig.tick(after: 80 * Self.second)
    let found = reads(rig)
    #expect(found.isEmpty && rig.engine.counters.prefetchesCut == 1)
  }

  @Test("Not more are remembered than may be")
  func bounded() throws {
    var rig = try Rig(disk: 8) { $0.returnLimit = 2 }
    for number in 1...3 as ClosedRange<UInt64> {
      rig.engine.expectBack(request(number), in: rig.namespace, after: Self.second)
      _ = try rig.store(request(number), keys(0..<1))
      try rig.finishAll()
      rig.engine.cancel(request(number))
    }
    #expect(rig.engine.expectedReturnCount == 2 && rig.engine.counters.returnsRefused == 1)
  }
}
