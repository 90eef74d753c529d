import CKVBM
import Foundation
import KVBMLibrary
import Testing

@testable import KVBMNode

/// Conversations that will be back, through library, rings, node and disk.
@Suite("Returns on a node", .serialized)
struct NodePrefetchTests {
  private let blockCount = 6

  private func tokens(_ prompt: Int) -> [UInt32] { (0..<24).map { UInt32(prompt * 100 + $0) } }

  private func status(_ node: TestNode) throws -> NodeStatistics {
    try NodeStatistics(json: try NodeQuestion.status.ask(socketPath: node.socketPath))
  }

  private func counter(_ name: String, _ node: TestNode) throws -> Int {
    try status(node).counters[name] ?? 0
  }

  /// A prompt's blocks are offered by a request that is not over.
  private func offer(_ engine: TestEngine, _ prompt: Int) -> UInt64 {
    let request = engine.begin(tokens(prompt))
    for block in 0..<blockCount { engine.fill(8 + block, seed: UInt64(prompt * 10 + block)) }
    engine.store(request, blockCount, from: 8)
    return request
  }

  private func end(_ engine: TestEngine, _ request: UInt64) {
    kvbm_request_end(engine.scheduler, request)
    engine.step()
  }

  @Test(
    "What only the disk has is in host memory when its conversation is back",
    arguments: [true, false])
  func back(isSaid: Bool) throws {
    let node = try TestNode()
    // Host memory for a few prompts, disk for all.
    try node.start(hostBytes: 1 << 20, diskBytes: 16 << 20)
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    for _ in 0..<500 {
      let tiers = try status(node).tiers
      if tiers.count == 2 && tiers.allSatisfy({ $0.free > 20 }) { break }
      usleep(10_000)
    }
    let first = offer(engine, 1)
    // So soon that it is read as soon as its request is over.
    if isSaid { #expect(kvbm_request_expect_back(engine.scheduler, first, 100) == 0) }
    for prompt in 100..<160 {
      end(engine, offer(engine, prompt))
      for _ in 0..<500 where try status(node).pendingWrites > 0 { usleep(1_000) }
    }
    #expect(try counter("blocks_prefetched", node) == 0)
    end(engine, first)
    for _ in 0..<500 where try isSaid && counter("blocks_staged", node) < blockCount {
      usleep(10_000)
    }
    if !isSaid { usleep(300_000) }
    let prefetched = try counter("blocks_prefetched", node)
    #expect(prefetched == (isSaid ? blockCount : 0))
    let request = engine.begin(tokens(1))
    var match = kvbm_match()
    kvbm_request_match(engine.scheduler, request, 0, UInt32(blockCount), &match)
    #expect(match.ready_blocks == (isSaid ? UInt32(blockCount) : 0))
    #expect(match.pending_blocks == (isSaid ? 0 : UInt32(blockCount)))
    if isSaid {
      #expect(engine.load(request, blockCount, to: 32) == blockCount)
      for block in 0..<blockCount {
        #expect(engine.holds(32 + block, seed: UInt64(10 + block)))
      }
    }
    let told = try Explanation(
      json: try NodeQuestion.request("1").ask(socketPath: node.socketPath)
    ).requests.compactMap(\.backSeconds)
    #expect(told == (isSaid ? [0.1] : []))
    engine.close()
    #expect(node.waitForEnd())
  }
}
