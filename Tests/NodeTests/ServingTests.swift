import CKVBM
import Foundation
import KVBMLibrary
import KVBMNode
import Testing

/// The library and a node, over a real socket, real rings and real memory.
@Suite("Serving", .serialized)
struct ServingTests {
  private let tokens: [UInt32] = (0..<24).map { UInt32($0 * 7 + 1) }
  private let blockCount = 6

  /// Fills device blocks 8... and stores them as the request's.
  private func store(_ engine: TestEngine, _ request: UInt64) {
    for block in 0..<blockCount { engine.fill(8 + block, seed: UInt64(block)) }
    // Host memory is populated behind the attachment; what found no room is offered again.
    for _ in 0..<200 {
      engine.store(request, blockCount, from: 8)
      if engine.match(request, blockCount) == blockCount { break }
      usleep(10_000)
    }
  }

  @Test("What was stored is matched and loaded, byte for byte, and only under its own key")
  func roundTrip() throws {
    let node = try TestNode()
    try node.start()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    let request = engine.begin(tokens)
    store(engine, request)
    #expect(engine.match(request, blockCount) == blockCount)
    #expect(engine.load(request, blockCount, to: 32) == blockCount)
    for block in 0..<blockCount { #expect(engine.holds(32 + block, seed: UInt64(block))) }

    #expect(engine.match(engine.begin(tokens, salt: "other"), blockCount) == 0)
    var changed = tokens
    changed[9] += 1
    #expect(engine.match(engine.begin(changed), blockCount) == 2)
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("After a restart the disk answers")
  func restart() throws {
    let node = try TestNode()
    try node.start(diskBytes: 16 << 20)
    let first = TestEngine(socketPath: node.socketPath)
    #expect(first.attach() == 0)
    store(first, first.begin(tokens))
    first.close()
    #expect(node.waitForEnd())

    try node.start(diskBytes: 16 << 20)
    let second = TestEngine(socketPath: node.socketPath)
    #expect(second.attach() == 0)
    let request = second.begin(tokens)
    var ready = 0
    for _ in 0..<200 where ready < blockCount {
      ready = second.match(request, blockCount)
      if ready < blockCount {
        second.step()
        usleep(10_000)
      }
    }
    #expect(ready == blockCount)
    #expect(second.load(request, blockCount, to: 32) == blockCount)
    for block in 0..<blockCount { #expect(second.holds(32 + block, seed: UInt64(block))) }
    second.close()
    #expect(node.waitForEnd())
  }

  @Test("Without a node every call answers with nothing, and a load is reported as failed")
  func noNode() throws {
    let node = try TestNode()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == Int32(KVBM_UNAVAILABLE))
    let request = engine.begin(tokens)
    #expect(engine.match(request, blockCount) == 0)
    #expect(engine.load(request, blockCount, to: 32) == 0)
    #expect(engine.step().isEmpty)
    engine.close()
  }

  @Test("When one side goes, the other is let go too, and both come back as a new session")
  func sessionEndsAsAWhole() throws {
    let node = try TestNode()
    try node.start()
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    store(engine, engine.begin(tokens))
    // Another scheduler with the same engine's identity cannot be made here; a second engine shows
    // that a session's end leaves the blocks.
    let other = TestEngine(socketPath: node.socketPath)
    #expect(other.attach() == 0)
    engine.close(clean: false)
    let request = other.begin(tokens)
    #expect(other.match(request, blockCount) == blockCount)
    #expect(other.load(request, blockCount, to: 40) == blockCount)
    for block in 0..<blockCount { #expect(other.holds(40 + block, seed: UInt64(block))) }
    other.close()
    #expect(node.waitForEnd())
  }

  @Test("A tier too small for a few blocks is refused with the key and what would be right")
  func tinyTier() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20, diskBytes: 1 << 20)
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    engine.close()
    #expect(node.waitForEnd())
    let error = #expect(throws: NodeError.self) {
      _ = try Node(NodeConfiguration(socketPath: node.socketPath, hostCapacityBytes: 4096))
    }
    #expect(error?.description.contains("host.capacity is \"4 KiB\"") == true)
  }

  @Test("A second node at one socket is refused")
  func oneNodeASocket() throws {
    let node = try TestNode()
    try node.start()
    let error = #expect(throws: NodeError.self) {
      _ = try Node(NodeConfiguration(socketPath: node.socketPath, hostCapacityBytes: 8 << 20))
    }
    #expect(error == .alreadyRunning("another node listens at \(node.socketPath)"))
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    engine.close()
    #expect(node.waitForEnd())
  }
}
