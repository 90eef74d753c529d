import BlockPolicy
import CKVBM
import Foundation
import KVBMLibrary
import Testing

@testable import KVBMNode

/// What comes into the tiers of a real node, over its socket, its rings and its files.
@Suite("Admission in a node", .serialized)
struct NodeAdmissionTests {
  private let blockCount = 6

  private func prompt(_ number: Int) -> [UInt32] { (0..<24).map { UInt32(number * 100 + $0) } }

  private func status(_ node: TestNode) throws -> NodeStatistics {
    try NodeStatistics(json: try NodeQuestion.status.ask(socketPath: node.socketPath))
  }

  private func reason(_ node: TestNode) throws -> String {
    let explanation = try Explanation(
      json: try NodeQuestion.request("").ask(socketPath: node.socketPath))
    return try #require(explanation.requests.first?.reason)
  }

  /// Offers a prompt's blocks once, as a request of its own that may call them worth something.
  private func offer(_ engine: TestEngine, _ number: Int, priority: UInt32? = nil) {
    let request = engine.begin(prompt(number))
    if let priority {
      var said = kvbm_retention(
        first_block: 0, end_block: .max, priority: priority, duration_ms: 0, pin: 0)
      #expect(kvbm_request_retain(engine.scheduler, request, &said) == 0)
    }
    for block in 0..<blockCount { engine.fill(8 + block, seed: UInt64(number * 10 + block)) }
    engine.store(request, blockCount, from: 8)
    kvbm_request_end(engine.scheduler, request)
    engine.step()
  }

  /// Waits until the tiers have room: memory comes behind the attachment.
  private func waitForRoom(_ node: TestNode) throws {
    for _ in 0..<500 {
      let tiers = try status(node).tiers
      if !tiers.isEmpty && tiers.allSatisfy({ $0.free > 20 }) { return }
      usleep(10_000)
    }
    Issue.record("no room")
  }

  /// Waits until nothing is on its way to disk.
  private func waitForWrites(_ node: TestNode) throws {
    for _ in 0..<500 where try status(node).pendingWrites > 0 { usleep(10_000) }
  }

  /// How many blocks of a prompt reach the device, with their bytes.
  private func loaded(_ engine: TestEngine, _ number: Int) throws -> Int {
    let request = engine.begin(prompt(number))
    let ready = engine.match(request, blockCount)
    guard ready > 0 else { return 0 }
    #expect(engine.load(request, ready, to: 32) == ready)
    for block in 0..<ready { #expect(engine.holds(32 + block, seed: UInt64(number * 10 + block))) }
    return ready
  }

  @Test("A prompt that came once is not on disk; one that came twice is, and survives a restart")
  func diskSeenTwice() throws {
    let node = try TestNode()
    try node.start(diskBytes: 16 << 20) { $0.disk?.admission = .seenTwice }
    let first = TestEngine(socketPath: node.socketPath)
    #expect(first.attach() == 0)
    try waitForRoom(node)
    for number in [1, 2, 2] { offer(first, number) }
    try waitForWrites(node)
    let figures = try status(node)
    #expect(figures.counters["writes_not_admitted"] == 2 * blockCount)
    #expect(figures.counters["blocks_written"] == blockCount)
    #expect(figures.lines.contains("disk   admits seen-twice"))
    #expect(
      figures.prometheus.contains(
        "kvbm_node_refused_blocks_total{tier=\"disk\",reason=\"policy\"} \(2 * blockCount)"))
    // Both are in host memory.
    #expect(try loaded(first, 1) == blockCount)
    #expect(try loaded(first, 2) == blockCount)
    first.close()
    #expect(node.waitForEnd())

    try node.start(diskBytes: 16 << 20) { $0.disk?.admission = .seenTwice }
    let second = TestEngine(socketPath: node.socketPath)
    #expect(second.attach() == 0)
    try waitForRoom(node)
    #expect(try loaded(second, 1) == 0)
    #expect(try loaded(second, 2) == blockCount)
    #expect(try status(node).counters["blocks_staged"] == blockCount)
    second.close()
    #expect(node.waitForEnd())
  }

  @Test("A prompt that came once is not in host memory, and the node says why")
  func hostSeenTwice() throws {
    let node = try TestNode()
    try node.start { $0.hostAdmission = .seenTwice }
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    try waitForRoom(node)
    offer(engine, 1)
    #expect(try loaded(engine, 1) == 0)
    #expect(try reason(node) == "not admitted to host memory 0 s ago: seen once")
    #expect(try status(node).counters["stores_not_admitted"] == blockCount)
    offer(engine, 1)
    #expect(try loaded(engine, 1) == blockCount)
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("What is not called worth enough is in neither tier, and the node says why")
  func priority() throws {
    let node = try TestNode()
    try node.start(diskBytes: 16 << 20) {
      $0.hostAdmission = .priority(60)
      $0.disk?.admission = .priority(80)
    }
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    try waitForRoom(node)
    offer(engine, 1)
    offer(engine, 2, priority: 59)
    #expect(try loaded(engine, 1) == 0 && loaded(engine, 2) == 0)
    #expect(
      try reason(node)
        == "not admitted to host memory 0 s ago: its request called it worth less than 60")
    offer(engine, 3, priority: 60)
    offer(engine, 4, priority: 80)
    try waitForWrites(node)
    #expect(try loaded(engine, 3) == blockCount && loaded(engine, 4) == blockCount)
    let figures = try status(node)
    #expect(figures.counters["stores_not_admitted"] == 2 * blockCount)
    #expect(figures.counters["writes_not_admitted"] == blockCount)
    #expect(figures.counters["blocks_written"] == blockCount)
    #expect(figures.lines.contains("host   admits priority:60"))
    #expect(figures.lines.contains("disk   admits priority:80"))
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("What the disk's budget does not allow is not written, and comes again later")
  func writeBudget() throws {
    let node = try TestNode()
    // Forty blocks of 8 KiB a second.
    let perDay = 40 * 8_192 * 86_400
    try node.start(diskBytes: 16 << 20) { $0.disk?.writeBudgetBytes = perDay }
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    try waitForRoom(node)
    for number in 0..<20 { offer(engine, number) }
    try waitForWrites(node)
    let counters = try status(node).counters
    let refused = (counters["writes_over_budget"] ?? 0) + (counters["writes_orphaned"] ?? 0)
    #expect((counters["writes_over_budget"] ?? 0) > 0)
    #expect(refused + (counters["blocks_written"] ?? 0) == 20 * blockCount)
    // Later requests bring it to disk.
    for _ in 0..<60 where try status(node).counters["blocks_written"] ?? 0 < 20 * blockCount {
      for number in 0..<20 { offer(engine, number) }
      usleep(200_000)
    }
    try waitForWrites(node)
    #expect(try status(node).counters["blocks_written"] == 20 * blockCount)
    engine.close()
    #expect(node.waitForEnd())
  }
}
