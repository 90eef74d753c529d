import BlockEngine
import BlockIdentity
import CKVBM
import Foundation
import KVBMLibrary
import KVLayout
import Testing

@testable import KVBMNode

/// Requests that say how much their blocks are worth, through library, rings, node and disk.
@Suite("Retention on a node", .serialized)
struct NodeRetentionTests {
  private let blockCount = 6

  private func tokens(_ prompt: UInt32) -> [UInt32] { (0..<24).map { prompt * 100 + $0 } }

  /// Stores a prompt whose bytes follow from its number; until it is there, for the tier grows.
  private func store(
    _ engine: TestEngine, _ prompt: UInt32, _ retention: kvbm_retention? = nil
  ) {
    let request = engine.begin(tokens(prompt))
    defer { _ = kvbm_request_end(engine.scheduler, request) }
    if var retention {
      #expect(kvbm_request_retain(engine.scheduler, request, &retention) == 0)
    }
    for block in 0..<blockCount {
      engine.fill(8 + block, seed: UInt64(prompt) << 8 | UInt64(block))
    }
    for _ in 0..<200 {
      engine.store(request, blockCount, from: 8)
      if engine.match(request, blockCount) == blockCount { return }
      usleep(10_000)
    }
    Issue.record("prompt \(prompt) was never there")
  }

  /// More prompts than the tiers of these tests hold.
  private func flood(_ engine: TestEngine, _ prompts: Range<Int> = 100..<140) {
    for prompt in prompts { store(engine, UInt32(prompt)) }
    engine.step()
  }

  /// What a disk tier of 1 MiB has in the end, and what it has now.
  private static let diskSlotCount = 128

  private func diskSlotCount(_ node: TestNode) throws -> Int {
    try status(node).tiers.filter { $0.tier == "disk" }
      .reduce(0) { $0 + $1.free + $1.filling + $1.pinned + $1.cached }
  }

  private func status(_ node: TestNode) throws -> NodeStatistics {
    try NodeStatistics(json: NodeQuestion.status.ask(socketPath: node.socketPath))
  }

  /// How many blocks of a prompt come back, each with its bytes.
  private func load(_ engine: TestEngine, _ prompt: UInt32) -> Int {
    let request = engine.begin(tokens(prompt))
    let count = engine.match(request, blockCount)
    guard count > 0 else { return 0 }
    #expect(engine.load(request, count, to: 32) == count)
    for block in 0..<count {
      #expect(engine.holds(32 + block, seed: UInt64(prompt) << 8 | UInt64(block)))
    }
    return count
  }

  private func word(
    _ priority: UInt32, milliseconds: UInt32 = 0, isPinned: Bool = false
  ) -> kvbm_retention {
    kvbm_retention(
      first_block: 0, end_block: .max, priority: priority, duration_ms: milliseconds,
      pin: isPinned ? 1 : 0)
  }

  @Test("What is worth more outlives a flood, what is pinned as well, and nothing else does")
  func flooded() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20)
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    store(engine, 1, word(90))
    store(engine, 2)
    store(engine, 3, word(50, milliseconds: 60_000, isPinned: true))
    store(engine, 4, word(90, milliseconds: 1))
    // Its time is over within a tick of the engine's, some second.
    usleep(2_500_000)
    flood(engine)
    #expect(load(engine, 1) == blockCount && load(engine, 3) == blockCount)
    #expect(load(engine, 2) == 0 && load(engine, 4) == 0)
    engine.close()
    #expect(node.waitForEnd())
  }

  private func explained(_ node: TestNode, _ name: String) throws -> Explanation.Request {
    let answer = try NodeQuestion.request(name).ask(socketPath: node.socketPath)
    return try #require(try Explanation(json: answer).requests.first)
  }

  @Test("What was granted is told, tier by tier, and why that is less")
  func explained() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20, diskBytes: 1 << 20)
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    flood(engine)
    store(engine, 1, word(90, milliseconds: 600_000, isPinned: true))
    engine.step()
    let latest = try Explanation(
      json: try NodeQuestion.request("").ask(socketPath: node.socketPath))
    let name = try #require(latest.requests.first { $0.retention != nil }?.name)
    // It is written to disk behind its store.
    var granted: [Explanation.Granted] = []
    for _ in 0..<500 where granted.count < 2 {
      granted = try explained(node, name).granted ?? []
      usleep(10_000)
    }
    try #require(granted.count == 2)
    for (range, tier) in zip(granted, ["host", "disk"]) {
      #expect(range.tier == tier && range.firstBlock == 0 && range.endBlock == blockCount)
      #expect(range.priority == 90 && (500...600).contains(range.seconds ?? 0))
    }
    #expect((500...600).contains(granted[0].pinnedSeconds ?? 0) && granted[1].pinnedSeconds == nil)
    let lines = try explained(node, name).lines
    #expect(lines.contains { $0.hasPrefix("    blocks 0 to 5 in host memory: priority 90 for 5") })
    #expect(try explained(node, name).notGranted == [])
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("What no operator grants is told as such")
  func refused() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20) {
      $0.retentionPercent = 0
      $0.pinPercent = 0
    }
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    store(engine, 1, word(90, milliseconds: 600_000, isPinned: true))
    engine.step()
    let latest = try Explanation(
      json: try NodeQuestion.request("").ask(socketPath: node.socketPath))
    let name = try #require(latest.requests.first { $0.retention != nil }?.name)
    let request = try explained(node, name)
    #expect(request.granted?.allSatisfy { $0.priority == 50 && $0.pinnedSeconds == nil } == true)
    #expect(
      request.notGranted == [
        "not above normal in host memory: as many blocks are as may be (retention.share)",
        "not pinned: as many blocks are as may be (retention.pins)",
      ])
    flood(engine)
    #expect(try explained(node, name).notGranted == ["none of its blocks is there any more"])
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("An operator's zeros make all requests alike")
  func switchedOff() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20) {
      $0.retentionPercent = 0
      $0.pinPercent = 0
    }
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    store(engine, 1, word(100))
    store(engine, 3, word(100, milliseconds: 60_000, isPinned: true))
    flood(engine)
    #expect(load(engine, 1) == 0 && load(engine, 3) == 0)
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("A priority is on disk, and counts after a restart")
  func restarted() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20, diskBytes: 1 << 20)
    let first = TestEngine(socketPath: node.socketPath)
    #expect(first.attach() == 0)
    // The tier grows as it fills, and its shares with it: until it has all of its eight extents.
    for _ in 0..<100 where try diskSlotCount(node) < Self.diskSlotCount {
      flood(first)
      usleep(10_000)
    }
    store(first, 1, word(90))
    store(first, 2)
    first.close()
    #expect(node.waitForEnd())

    try node.start(hostBytes: 1 << 20, diskBytes: 1 << 20)
    let second = TestEngine(socketPath: node.socketPath)
    #expect(second.attach() == 0)
    // An engine may begin before all is known that is there.
    for _ in 0..<1_000 where try diskSlotCount(node) < Self.diskSlotCount { usleep(10_000) }
    #expect(try diskSlotCount(node) == Self.diskSlotCount)
    // What is on disk already is not written again, and drives nothing out.
    for first in stride(from: 200, to: 260, by: 5) {
      flood(second, first..<first + 5)
      // Writes that come faster than the disk takes them are dropped.
      for _ in 0..<20 where try status(node).pendingWrites > 0 { usleep(1_000) }
    }
    #expect(load(second, 1) == blockCount && load(second, 2) == 0)
    second.close()
    #expect(node.waitForEnd())
  }

  @Test("A header says the distance from normal, and the end by the calendar")
  func header() throws {
    let shape = try BlockShape(
      headCount: 1, layerCount: 1, blockTokens: 1, tokenBytes: 4, elementBytes: 2)
    let now = Time(nanoseconds: 5_000)
    func round(_ retention: Retention, later: Int64 = 0) -> (SlotDescription, Retention) {
      var description = SlotDescription(
        namespace: Namespace(description: UnsafeRawBufferPointer(start: nil, count: 0)),
        key: BlockKey(high: 1, low: 2), shape: shape)
      description.note(retention, now: now, unixNow: 1_000_000)
      return (description, description.retention(now: now, unixNow: 1_000_000 + later))
    }
    #expect(round(.normal).0.priority == 0 && round(.normal).1 == .normal)
    #expect(round(Retention(priority: 60)).0.priority == 0)
    for priority: UInt8 in [0, 24, 75, 100] {
      let (description, read) = round(Retention(priority: priority))
      #expect(description.priority == Int32(priority) - 50)
      #expect(description.expiresUnixNanoseconds == 0 && read == Retention(priority: priority))
    }
    let ending = Retention(priority: 90, until: 5_700)
    #expect(round(ending).0.expiresUnixNanoseconds == 1_000_700)
    #expect(round(ending).1 == ending)
    // As much time has passed by the calendar, and none by a clock that began anew.
    #expect(round(ending, later: 300).1 == Retention(priority: 90, until: 5_400))
    #expect(round(ending, later: 700).1 == .normal)
  }

  @Test("A header that says what nobody can is read all the same")
  func oddHeader() throws {
    let shape = try BlockShape(
      headCount: 1, layerCount: 1, blockTokens: 1, tokenBytes: 4, elementBytes: 2)
    var description = SlotDescription(
      namespace: Namespace(description: UnsafeRawBufferPointer(start: nil, count: 0)),
      key: BlockKey(high: 1, low: 2), shape: shape)
    for (priority, read) in [(Int32.min, UInt8(0)), (.max, 100), (-51, 0), (51, 100)] {
      description.priority = priority
      description.expiresUnixNanoseconds = -1
      #expect(description.retention(now: Time(nanoseconds: 1), unixNow: 5).priority == read)
    }
    description.expiresUnixNanoseconds = .max
    #expect(description.retention(now: Time(nanoseconds: 1), unixNow: -5).until > 1 << 62)
  }
}
