import CKVBM
import Foundation
import Testing

@testable import KVBMNode

/// Engines with sliding groups and a node, over a real socket, real rings and real memory.
///
/// A window of nine tokens with four in a block: whoever goes on needs the last two blocks.
@Suite("Windows", .serialized)
struct WindowTests {
  private static let hybrid: [UInt32] = [0, 9]
  private let tokens: [UInt32] = (0..<24).map { UInt32($0 * 7 + 1) }
  private let blockCount = 6

  /// What a group's block holds.
  private func seed(_ group: Int, _ position: Int) -> UInt64 { UInt64(100 * group + position) }

  /// A node and an engine that has stored six blocks from devices blocks 8... (group after group),
  /// all but the first `droppedCount` of its sliding groups.
  private func stored(
    windows: [UInt32], droppedCount: Int, diskBytes: Int? = nil
  ) throws -> (TestNode, TestEngine) {
    let node = try TestNode()
    try node.start(diskBytes: diskBytes)
    let engine = TestEngine(socketPath: node.socketPath, windows: windows)
    #expect(engine.attach() == 0)
    let request = engine.begin(tokens)
    let rows = windows.enumerated().map { group, window in
      (0..<blockCount).map { position -> Int? in
        let block = 8 + group * blockCount + position
        engine.fill(block, seed: seed(group, position))
        return window > 0 && position < droppedCount ? nil : block
      }
    }
    #expect(engine.offer(request, rows) == 0)
    engine.step()
    // The worker tells the node of every copy, beside what the scheduler asks.
    #expect(try node.waitForBlocks(rows.reduce(0) { $0 + $1.count { $0 != nil } }))
    return (node, engine)
  }

  private func lastError() -> String {
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: 512)
    defer { text.deallocate() }
    _ = kvbm_last_error(text, 512)
    return String(cString: text)
  }

  private func end(_ node: TestNode, _ engine: TestEngine) {
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("A prefix of a full and a sliding group is loaded byte for byte, and nothing beside it")
  func hybrid() throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 3)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == blockCount)
    let rows: [[Int?]] = [[40, 41, 42, 43, 44, 45], [nil, nil, nil, nil, 50, 51]]
    let before = engine.bytes(without: rows.flatMap { $0 }.compactMap { $0 })
    #expect(engine.load(request, rows) == blockCount)
    for position in 0..<blockCount {
      #expect(engine.holds(40 + position, seed: seed(0, position)))
    }
    #expect(engine.holds(50, seed: seed(1, 4)))
    #expect(engine.holds(51, seed: seed(1, 5)))
    #expect(engine.bytes(without: rows.flatMap { $0 }.compactMap { $0 }) == before)
    end(node, engine)
  }

  @Test("A hit ends where the windows of all sliding groups are whole, and nowhere else")
  func lengths() throws {
    // Blocks 3, 4 and 5 of the sliding group are there: prefixes of 5 and of 6 are.
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 3)
    for (changed, expected) in [(23, 5), (19, 0), (15, 0), (3, 0)] {
      var other = tokens
      other[changed] += 1
      #expect(engine.match(engine.begin(other), blockCount) == expected)
    }
    let five = engine.begin(Array(tokens[..<20]) + [7, 7, 7, 7])
    #expect(engine.match(five, blockCount) == 5)
    #expect(engine.load(five, [[40, 41, 42, 43, 44], [nil, nil, nil, 50, 51]]) == 5)
    #expect(engine.holds(50, seed: seed(1, 3)))
    #expect(engine.holds(51, seed: seed(1, 4)))
    end(node, engine)
  }

  @Test("What lies before the first block of a match is not needed, in no group")
  func behindTheDevicesOwn() throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 5)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == 0)
    // The engine has five blocks, the window at their end among them.
    #expect(engine.match(request, 1, from: 5) == 1)
    #expect(engine.load(request, from: 5, [[40], [50]]) == 1)
    #expect(engine.holds(40, seed: seed(0, 5)))
    #expect(engine.holds(50, seed: seed(1, 5)))
    end(node, engine)
  }

  @Test(
    "After a restart the disk answers with what a windowed prefix needs",
    arguments: [[0, 9], [9, 6], [0, 5, 9]] as [[UInt32]])
  func restart(windows: [UInt32]) throws {
    let (node, first) = try stored(windows: windows, droppedCount: 3, diskBytes: 16 << 20)
    end(node, first)
    try node.start(diskBytes: 16 << 20)
    let engine = TestEngine(socketPath: node.socketPath, windows: windows)
    #expect(engine.attach() == 0)
    let request = engine.begin(tokens)
    // It waits for what is staged, and takes what is ready once nothing is.
    #expect(engine.match(request, blockCount) == blockCount)
    let rows = windows.enumerated().map { group, window in
      let needed = window == 0 ? blockCount : (Int(window) + 2) / 4
      return (0..<blockCount).map { position -> Int? in
        position < blockCount - needed ? nil : 30 + group * blockCount + position
      }
    }
    #expect(engine.load(request, rows) == blockCount)
    for (group, row) in rows.enumerated() {
      for (position, block) in row.enumerated() {
        if let block { #expect(engine.holds(block, seed: seed(group, position))) }
      }
    }
    end(node, engine)
  }

  @Test("A model whose groups all slide needs the windows alone")
  func allSliding() throws {
    let (node, engine) = try stored(windows: [9, 6], droppedCount: 4)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == blockCount)
    let rows: [[Int?]] = [[nil, nil, nil, nil, 40, 41], [nil, nil, nil, nil, 50, 51]]
    #expect(engine.load(request, rows) == blockCount)
    for (group, first) in [(0, 40), (1, 50)] {
      for place in 0..<2 { #expect(engine.holds(first + place, seed: seed(group, 4 + place))) }
    }
    end(node, engine)
  }

  @Test(
    "A load whose device blocks are not exactly those that it needs fails before a byte moves",
    arguments: [
      // One before the window, one in it missing, none at all, all.
      [nil, nil, nil, 49, 50, 51], [nil, nil, nil, nil, nil, 51], [nil, nil, nil, nil, 50, nil],
      [nil, nil, nil, nil, nil, nil], [46, 47, 48, 49, 50, 51],
    ] as [[Int?]])
  func unfit(window: [Int?]) throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 0)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == blockCount)
    let before = engine.bytes(without: [])
    #expect(engine.load(request, [[40, 41, 42, 43, 44, 45], window]) == 0)
    #expect(engine.bytes(without: []) == before)
    // The node has heard of the end: that request is offered nothing more, others are.
    #expect(engine.match(request, blockCount) == 0)
    let other = engine.begin(tokens)
    #expect(engine.match(other, blockCount) == blockCount)
    let rows: [[Int?]] = [[40, 41, 42, 43, 44, 45], [nil, nil, nil, nil, 50, 51]]
    #expect(engine.load(other, rows) == blockCount)
    end(node, engine)
  }

  @Test("Less than what was promised cannot be taken up where a group slides")
  func shortened() throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 0)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == blockCount)
    #expect(engine.load(request, [[40, 41, 42, 43, 44], [nil, nil, nil, 50, 51]]) == 0)
    end(node, engine)
  }

  @Test("A block that is damaged in any group makes the load fail as a whole", arguments: [0, 1])
  func damaged(group: Int) throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 0)
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == blockCount)
    let rows: [[Int?]] = [[40, 41, 42, 43, 44, 45], [nil, nil, nil, nil, 50, 51]]
    #expect(engine.takeUp(request, rows) == 0)
    let plan = engine.plan()
    try engine.damage(plan, group: group)
    #expect(engine.load(plan, of: request) == 0)
    // All blocks of that load are dropped; four of a window's were not needed.
    #expect(try node.waitForBlocks(4))
    #expect(engine.match(engine.begin(tokens), blockCount) == 0)
    end(node, engine)
  }

  @Test("Absent blocks are refused but at the beginning of a sliding group's row")
  func absent() throws {
    let engine = TestEngine(socketPath: "/nowhere", windows: Self.hybrid)
    let request = engine.begin(tokens)
    let whole: [Int?] = [1, 2, 3, 4, 5, 6]
    #expect(engine.offer(request, [whole, [nil, nil, 9, 10, 11, 12]]) == 0)
    #expect(engine.offer(request, [whole, Array(repeating: nil, count: 6)]) == 0)
    for rows: [[Int?]] in [
      [[nil, 2, 3, 4, 5, 6], whole], [whole, [7, nil, 9, 10, 11, 12]],
      [whole, [nil, 8, 9, 10, 11, nil]],
    ] { #expect(engine.offer(request, rows) == Int32(KVBM_ARGUMENT)) }
    #expect(engine.takeUp(request, [[nil, 2, 3, 4, 5, 6], whole]) == Int32(KVBM_ARGUMENT))
    engine.close()
  }

  @Test("A request that lacks a block of a window is told which, and of which group")
  func explained() throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 5)
    #expect(engine.match(engine.begin(tokens), blockCount) == 0)
    let latest = try #require(
      try Explanation(json: try NodeQuestion.request("").ask(socketPath: node.socketPath))
        .requests.first)
    // All six are there but for block 4 of the window at their end.
    #expect(latest.firstMissing == 4)
    #expect(latest.missingGroup == "group 1, a window of 9 tokens")
    #expect(latest.reason?.hasPrefix("it was never stored here") == true)
    let line = "block 4 of group 1, a window of 9 tokens, is missing: it was never stored here"
    #expect(latest.lines.contains { $0.contains(line) })

    // With more tokens than were ever stored, the full group ends first.
    let longer = engine.begin(tokens + tokens)
    #expect(engine.match(longer, 2 * blockCount) == 0)
    end(node, engine)
  }

  @Test("One namespace cannot be used with another window at the same time")
  func otherWindow() throws {
    let (node, engine) = try stored(windows: Self.hybrid, droppedCount: 0)
    // As many blocks, another number of tokens.
    for windows: [UInt32] in [[0, 8], [0, 0], [9, 0]] {
      let other = TestEngine(socketPath: node.socketPath, windows: windows)
      #expect(other.attach() == Int32(KVBM_REFUSED))
      #expect(lastError().contains("another window for group"))
      other.close()
    }
    end(node, engine)
  }

  @Test(
    "A window is for sliding groups, which must have one, and a state is refused by name",
    arguments: [
      (KVBM_GROUP_FULL, 1, "window_tokens is 1; full attention has none"),
      (KVBM_GROUP_SLIDING, 0, "window_tokens is 0; it must be at least 2"),
      (KVBM_GROUP_SLIDING, 1, "window_tokens is 1; it must be at least 2"),
      (KVBM_GROUP_STATE, 0, "group 0 keeps a recurrent state"), (7, 0, "kind is 7"),
    ])
  func kinds(kind: Int, window: UInt32, said: String) {
    var config = kvbm_engine_config()
    config.group_count = 1
    config.worker_count = 1
    config.groups.0 = kvbm_group(
      kind: UInt32(kind), head_count: 1, layer_count: 1, block_tokens: 4, token_bytes: 4,
      element_bytes: 2, window_tokens: window)
    var scheduler: OpaquePointer?
    "/nowhere".withCString { path in
      [UInt8]("{}".utf8).withUnsafeBufferPointer { description in
        config.socket_path = path
        config.namespace_description = description.baseAddress
        config.namespace_description_length = description.count
        #expect(kvbm_scheduler_open(&config, &scheduler) == Int32(KVBM_ARGUMENT))
      }
    }
    #expect(lastError().contains(said))
  }

  @Test("What tokens stand for decides whether a prompt's blocks are found")
  func contents() throws {
    let node = try TestNode()
    try node.start()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    func begin(_ digest: String) -> UInt64 {
      let request = engine.begin([])
      let bytes = Array(digest.utf8)
      if !bytes.isEmpty {
        #expect(kvbm_request_content(engine.scheduler, request, 9, 4, bytes, bytes.count) == 0)
      }
      _ = kvbm_request_append(engine.scheduler, request, tokens, tokens.count)
      return request
    }
    engine.store(begin("cat"), blockCount, from: 8)
    #expect(try node.waitForBlocks(blockCount))
    #expect(engine.match(begin("cat"), blockCount) == blockCount)
    #expect(engine.match(begin("dog"), blockCount) == 2)
    #expect(engine.match(begin(""), blockCount) == 2)
    let late = begin("cat")
    let digest: [UInt8] = [1]
    #expect(
      kvbm_request_content(engine.scheduler, late, 23, 4, digest, 1) == Int32(KVBM_ARGUMENT))
    #expect(kvbm_request_content(engine.scheduler, late, 24, 4, digest, 1) == 0)
    #expect(kvbm_request_content(engine.scheduler, late, 24, 0, digest, 1) == Int32(KVBM_ARGUMENT))
    #expect(kvbm_request_content(engine.scheduler, late, 24, 4, digest, 0) == Int32(KVBM_ARGUMENT))
    #expect(kvbm_request_content(engine.scheduler, late + 1, 24, 4, digest, 1) == Int32(KVBM_STALE))
    for _ in 1..<4_096 {
      _ = kvbm_request_content(engine.scheduler, late, 24, 4, digest, 1)
    }
    #expect(kvbm_request_content(engine.scheduler, late, 24, 4, digest, 1) == Int32(KVBM_LIMIT))
    end(node, engine)
  }
}
