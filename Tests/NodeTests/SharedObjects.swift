import Foundation
import KVBMLibrary
import Protection

@testable import KVBMNode

/// A directory of objects that nodes of a test share, and blocks of one prompt that go through it.
final class SharedObjects {
  static let blockCount = 6
  private static let tokens: [UInt32] = (0..<24).map { UInt32($0 * 7 + 1) }
  /// Far above what anything takes: a guard against a test that hangs.
  private static let rounds = 3_000

  let root: URL
  var store: URL { root.appendingPathComponent("shared") }
  var url: String { "file://\(store.path)" }

  /// What every node of the test has; nil for none.
  let keys: KeyRing?

  /// A directory that is there; by default its nodes authenticate what they put.
  init(keys: String? = TestKeys.first) throws {
    self.keys = try TestKeys.ring(keys)
    root = FileManager.default.temporaryDirectory
      .appendingPathComponent("kvbm-objects-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: root) }

  /// A node over the directory, with memory of its own and without a disk.
  func start(
    _ change: (inout NodeConfiguration.Object) -> Void = { _ in }
  ) throws -> TestNode {
    var object = NodeConfiguration.Object(url: url)
    change(&object)
    let node = try TestNode()
    try node.start {
      $0.object = object
      $0.keys = self.keys
    }
    return node
  }

  /// An attached engine of a node whose object store is open.
  func attach(to node: TestNode) -> TestEngine? {
    let engine = TestEngine(socketPath: node.socketPath)
    guard engine.attach() == 0, wait(for: node, { $0.object?.state == "open" }) else {
      engine.close()
      return nil
    }
    return engine
  }

  /// Every object there, as paths.
  var objects: [URL] {
    let all = FileManager.default.enumerator(at: store, includingPropertiesForKeys: nil)
    let files = (all?.allObjects as? [URL]) ?? []
    return files.filter { $0.lastPathComponent.hasSuffix(".1") }.sorted { $0.path < $1.path }
  }

  // MARK: Blocks

  /// Stores the prompt's blocks; `salt` makes another prompt of it.
  func store(_ engine: TestEngine, salt: String = "") -> Bool {
    let request = engine.begin(Self.tokens, salt: salt)
    for block in 0..<Self.blockCount { engine.fill(8 + block, seed: seed(block, salt)) }
    // Host memory is populated behind the attachment; what found no room is offered again.
    for _ in 0..<Self.rounds {
      engine.store(request, Self.blockCount, from: 8)
      if engine.match(request, Self.blockCount) == Self.blockCount { return true }
      usleep(10_000)
    }
    return false
  }

  /// Asks again and again until so many blocks are ready, loads them and compares every byte.
  ///
  /// - Returns: How many were loaded; nil when one had other bytes.
  func load(_ engine: TestEngine, salt: String = "", wanted: Int = blockCount) -> Int? {
    let request = engine.begin(Self.tokens, salt: salt)
    var ready = 0
    for _ in 0..<200 {
      ready = engine.match(request, Self.blockCount)
      if ready >= wanted { break }
      engine.step()
      usleep(10_000)
    }
    guard ready > 0 else { return 0 }
    let loaded = engine.load(request, ready, to: 32) ?? 0
    let isRight = (0..<loaded).allSatisfy { engine.holds(32 + $0, seed: seed($0, salt)) }
    return isRight ? loaded : nil
  }

  private func seed(_ block: Int, _ salt: String) -> UInt64 {
    UInt64(block) &+ 1_000 &* salt.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }
  }

  // MARK: Status

  func status(of node: TestNode) -> NodeStatistics? {
    (try? NodeQuestion.status.ask(socketPath: node.socketPath))
      .flatMap { try? NodeStatistics(json: $0) }
  }

  /// Waits until a node's report is as wanted; false when it does not get so.
  func wait(for node: TestNode, _ isWanted: (NodeStatistics) -> Bool) -> Bool {
    for _ in 0..<Self.rounds {
      if let status = status(of: node), isWanted(status) { return true }
      usleep(10_000)
    }
    return false
  }

  func waitForPuts(of node: TestNode, _ count: Int = blockCount) -> Bool {
    wait(for: node) { status in
      status.counters["blocks_put", default: 0] >= count && status.object?.pendingPuts == 0
    }
  }

  /// Fills the directory by a node of its own, which has ended then.
  func fill(salt: String = "") throws -> Bool {
    let node = try start()
    guard let engine = attach(to: node) else { return false }
    let isDone = store(engine, salt: salt) && waitForPuts(of: node)
    engine.close()
    return node.waitForEnd() && isDone
  }
}
