import Foundation
import KVBMLibrary
import Testing

@testable import KVBMNode

/// Nodes with a directory of objects in common: real files, real engines' calls.
@Suite("An object store that nodes share", .serialized)
struct ObjectStoreTests {
  private let count = SharedObjects.blockCount

  @Test("What one node has put another one serves, byte for byte, and only under its own key")
  func anotherNode() throws {
    let shared = try SharedObjects()
    #expect(try shared.fill())
    #expect(shared.objects.count == count)
    let node = try shared.start()
    let engine = try #require(shared.attach(to: node))
    #expect(shared.load(engine, salt: "other", wanted: 1) == 0)
    #expect(shared.load(engine) == count)
    let status = try #require(shared.status(of: node))
    #expect(status.counters["blocks_fetched"] == count)
    #expect(status.counters["object_corrupt"] == 0)
    #expect(status.latencies?.first { $0.what == "get" }?.blocks == count)
    #expect(status.degraded.isEmpty)
    #expect(status.prometheus.contains("kvbm_node_staged_blocks_total{tier=\"object\"} 6"))
    #expect(status.prometheus.contains("kvbm_node_object_store{state=\"open\"} 1"))
    // What is in the store is not put again.
    #expect(status.counters["blocks_put"] == 0)
    engine.close()
    #expect(node.waitForEnd())
  }

  /// Ways in which an object goes wrong. Each gets the objects' paths.
  enum Damage: String, CaseIterable {
    case flippedPayload, flippedHeader, flippedTable, cut, emptied, longer, swapped

    func apply(_ objects: [URL]) throws {
      switch self {
      case .flippedPayload: try change(objects) { $0[4_096 + 50] ^= 4 }
      case .flippedHeader: try change(objects) { $0[80] ^= 1 }
      case .flippedTable: try change(objects) { $0[514] ^= 0x80 }
      case .cut: try change(objects) { $0.removeLast(1) }
      case .emptied: try change(objects) { $0.removeAll() }
      case .longer: try change(objects) { $0.append(0) }
      case .swapped:
        let all = try objects.map { try Data(contentsOf: $0) }
        for (index, object) in objects.enumerated() {
          try all[(index + 1) % all.count].write(to: object)
        }
      }
    }

    private func change(_ objects: [URL], _ body: (inout Data) -> Void) throws {
      for object in objects {
        var bytes = try Data(contentsOf: object)
        body(&bytes)
        try bytes.write(to: object)
      }
    }
  }

  @Test(
    "A damaged object is never served, is counted, and can be put again",
    arguments: Damage.allCases)
  func damaged(_ damage: Damage) throws {
    let shared = try SharedObjects()
    #expect(try shared.fill())
    try damage.apply(shared.objects)
    let node = try shared.start()
    let engine = try #require(shared.attach(to: node))
    #expect(shared.load(engine, wanted: 1) == 0)
    let counters = try #require(shared.status(of: node)).counters
    let found = counters["object_corrupt", default: 0] + counters["objects_cut", default: 0]
    #expect(found > 0 && counters["blocks_fetched"] == 0)
    // The wrong ones that were met are gone; the rest are found wrong when they are asked for.
    #expect(shared.wait(for: node) { _ in shared.objects.count <= count - found })
    #expect(shared.store(engine))
    #expect(shared.waitForPuts(of: node, found))
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("A store that goes and comes back is left alone meanwhile, and used again")
  func away() throws {
    let shared = try SharedObjects()
    let node = try shared.start()
    let engine = try #require(shared.attach(to: node))
    #expect(shared.store(engine))
    #expect(shared.waitForPuts(of: node))
    let away = shared.root.appendingPathComponent("away")
    try FileManager.default.moveItem(at: shared.store, to: away)
    #expect(shared.store(engine, salt: "while it is away"))
    #expect(shared.wait(for: node) { $0.object?.state == "left alone" })
    let status = try #require(shared.status(of: node))
    #expect(status.degraded.contains { $0.contains("object store is left alone") })
    #expect(status.degraded.contains { $0.contains("is not there any more") })
    #expect(shared.load(engine) == count, "host memory serves")
    try FileManager.default.moveItem(at: away, to: shared.store)
    #expect(shared.wait(for: node) { $0.object?.state == "open" && $0.degraded.isEmpty })
    #expect(shared.store(engine, salt: "after it is back"))
    #expect(shared.waitForPuts(of: node, 2 * count))
    engine.close()
    #expect(node.waitForEnd())
    let other = try shared.start()
    let second = try #require(shared.attach(to: other))
    #expect(shared.load(second) == count)
    #expect(shared.load(second, salt: "after it is back") == count)
    second.close()
    #expect(other.waitForEnd())
  }

  @Test("A node starts without its store, says so, and has it when it is there")
  func late() throws {
    let shared = try SharedObjects()
    let hidden = shared.root.path + "-hidden"
    try FileManager.default.moveItem(atPath: shared.root.path, toPath: hidden)
    let node = try shared.start()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    #expect(shared.wait(for: node) { $0.object?.state == "closed" })
    #expect(shared.store(engine) && shared.load(engine) == count)
    let degraded = try #require(shared.status(of: node)).degraded
    #expect(degraded.contains { $0.hasPrefix("no object store yet: mkdir") })
    try FileManager.default.moveItem(atPath: hidden, toPath: shared.root.path)
    #expect(shared.wait(for: node) { $0.object?.state == "open" && $0.degraded.isEmpty })
    #expect(shared.store(engine, salt: "now"))
    #expect(shared.wait(for: node) { $0.counters["blocks_put", default: 0] >= count })
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("A directory of somebody else is left as it is, and the node serves without it")
  func foreign() throws {
    let shared = try SharedObjects()
    try FileManager.default.createDirectory(at: shared.store, withIntermediateDirectories: true)
    let photo = shared.store.appendingPathComponent("photo.jpg")
    try Data("x".utf8).write(to: photo)
    let node = try shared.start()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    #expect(shared.wait(for: node) { $0.degraded.contains { $0.contains("holds other files") } })
    #expect(shared.store(engine) && shared.load(engine) == count)
    engine.close()
    #expect(node.waitForEnd())
    #expect(try FileManager.default.contentsOfDirectory(atPath: shared.store.path) == ["photo.jpg"])
  }

  @Test("Nodes keep what all of them have put within the capacity, and serve right bytes meanwhile")
  func swept() throws {
    let shared = try SharedObjects()
    #expect(try shared.fill() && shared.fill(salt: "second"))
    let objectBytes = try #require(
      try shared.objects.first?.resourceValues(forKeys: [.fileSizeKey]).fileSize)
    let nodes = try (0..<2).map { _ in
      try shared.start { object in
        object.capacityBytes = 1 << 20
        object.sweepMilliseconds = 20
      }
    }
    let engines = try nodes.map { try #require(shared.attach(to: $0)) }
    // Enough prompts for twice the capacity.
    let promptCount = 2 * (1 << 20) / (count * objectBytes)
    for number in 0..<promptCount {
      #expect(shared.store(engines[number % 2], salt: "prompt \(number)"))
      #expect(shared.load(engines[1 - number % 2], salt: "prompt \(number)", wanted: 0) != nil)
    }
    for node in nodes {
      #expect(shared.wait(for: node) { ($0.object?.pendingPuts ?? 1) == 0 })
    }
    #expect(
      shared.wait(for: nodes[0]) { status in
        status.object.map { $0.objects > 0 && $0.bytes <= 1 << 20 } ?? false
          && shared.objects.count * objectBytes <= 1 << 20
      })
    let swept = nodes.map { shared.status(of: $0)?.counters["objects_swept"] ?? 0 }
    #expect(swept.reduce(0, +) > 0)
    for engine in engines { engine.close() }
    for node in nodes { #expect(node.waitForEnd()) }
  }

  @Test(
    "A setting that cannot be is named with what would be right",
    arguments: [
      ("gs://bucket", nil, nil, "object.url is \"gs://bucket\""),
      ("file:///d", "https://host", nil, "object.endpoint is \"https://host\""),
      ("s3://bucket", "host", nil, "https://host[:port]"),
      ("s3://bucket", nil, 1 << 30, "its lifecycle rules decide what stays"),
      ("file:///d", nil, 5, "object.capacity is \"5 B\""),
    ] as [(String, String?, Int?, String)])
  func wrongSettings(url: String, endpoint: String?, capacity: Int?, words: String) throws {
    var configuration = NodeConfiguration(socketPath: "/unused", hostCapacityBytes: 1 << 20)
    var object = NodeConfiguration.Object(url: url)
    object.endpoint = endpoint
    object.capacityBytes = capacity
    object.protection = .plain
    configuration.object = object
    let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(error?.description.contains(words) == true)
  }

  @Test("Objects are authenticated unless that is switched off, and need keys for it")
  func withoutKeys() throws {
    var configuration = NodeConfiguration(socketPath: "/unused", hostCapacityBytes: 1 << 20)
    configuration.object = NodeConfiguration.Object(url: "file:///d")
    let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(error?.key == "object.authentication")
    configuration.object?.protection = .encrypted
    let other = #expect(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(other?.key == "object.encryption")
    configuration.object?.protection = .plain
    try configuration.validate()
    configuration.object?.protection = .encrypted
    configuration.keys = try TestKeys.ring(TestKeys.first)
    try configuration.validate()
  }

  @Test("What one node encrypts another serves, and nothing of it is in the directory")
  func encrypted() throws {
    let shared = try SharedObjects(keys: TestKeys.first)
    let first = try shared.start { $0.protection = .encrypted }
    let engine = try #require(shared.attach(to: first))
    #expect(shared.store(engine) && shared.waitForPuts(of: first))
    let objects = try shared.objects.map { try Data(contentsOf: $0) }
    #expect(objects.count == count)
    for token in 0..<TestEngine.blockTokens {
      let first = engine.device + 8 * TestEngine.blockBytes + token * TestEngine.tokenBytes
      let words = Data(bytes: first, count: TestEngine.tokenBytes)
      #expect(objects.allSatisfy { $0.range(of: words) == nil })
    }
    engine.close()
    #expect(first.waitForEnd())
    // The second one would leave what it puts readable; it serves both.
    let second = try shared.start()
    let other = try #require(shared.attach(to: second))
    #expect(shared.load(other) == count)
    #expect(shared.status(of: second)?.counters["object_corrupt"] == 0)
    other.close()
    #expect(second.waitForEnd())
  }

  @Test("A node with other keys serves nothing of a store, and deletes nothing")
  func strangers() throws {
    let shared = try SharedObjects()
    #expect(try shared.fill())
    let objects = shared.objects
    let node = try TestNode()
    try node.start {
      $0.object = NodeConfiguration.Object(url: shared.url)
      $0.keys = try? TestKeys.ring(TestKeys.second)
    }
    let engine = try #require(shared.attach(to: node))
    #expect(shared.load(engine, wanted: 1) == 0)
    #expect(shared.wait(for: node) { $0.counters["object_locked", default: 0] > 0 })
    engine.close()
    #expect(node.waitForEnd())
    #expect(shared.objects == objects)
  }
}
