import BlockPool
import KVBMTesting
import Testing

@testable import KVBMReplay

@Suite("Policies in a replay")
struct PolicyTests {
  /// Plays random requests, and checks pool and policy after each.
  private func play<Policy: EvictionPolicy & ~Copyable>(
    _ replay: consuming Replay<Policy>, seed: UInt64
  ) throws {
    var random = Random(seed: seed)
    for _ in 0..<1_500 {
      var node: UInt64 = 1
      let keys = (0...random.below(7)).map { _ in
        node = node * 4 + UInt64(random.below(3))
        return BlockKey(high: node, low: Random.mix(node))
      }
      try replay.play(keys.span, arrival: nil)
      try replay.checkInvariants()
    }
    #expect(replay.result.requestCount == 1_500)
  }

  @Test("Exactly what is cached is a candidate, at every size", arguments: [1, 2, 5, 12, 40])
  func sound(blocks: Int) throws {
    try play(Replay<LRU>(blockCount: blocks), seed: 1)
    try play(Replay<LeafFirst>(blockCount: blocks), seed: 2)
    try play(Replay<Forecast>(blockCount: blocks), seed: 3)
    try play(Replay<LevelledLRU>(blockCount: blocks), seed: 4)
    try play(Replay<S3FIFO>(blockCount: blocks), seed: 5)
    try play(Replay<WTinyLFU>(blockCount: blocks), seed: 6)
  }

  /// The keys that leave a pool of four blocks when single blocks are asked for in that order.
  private func victims<Policy: EvictionPolicy & ~Copyable>(
    of policy: Policy.Type, blocks: Int, _ numbers: [Int]
  ) throws -> [Int] where Policy: ~Copyable {
    var pool = BlockPool<Policy>(capacity: blocks, seed: 1)
    pool.addExtent(0..<UInt32(blocks))
    var evicted: [Evicted] = []
    for number in numbers {
      let key = BlockKey(high: UInt64(number), low: Random.mix(UInt64(number)))
      if let resident = pool.block(for: key) {
        try pool.pin(resident)
        try pool.release(resident)
        continue
      }
      let block = try pool.allocate(partCount: 1, evicted: &evicted)
      _ = try pool.fill(block, part: 0)
      try pool.release(try pool.register(block, as: key, after: nil))
    }
    return evicted.map { Int($0.key.high) }
  }

  @Test("Levelled LRU spares what was used often, and S3-FIFO and W-TinyLFU resist a scan")
  func order() throws {
    let often = [1, 1, 1, 2, 3, 4]
    let levelled = try victims(of: LevelledLRU.self, blocks: 4, often + [5, 6, 7, 8])
    #expect(levelled == [2, 3, 4, 5])
    let scan = Array(100..<140)
    for victims in [
      try victims(of: S3FIFO.self, blocks: 10, [1, 1, 1, 2, 2, 2, 1, 2] + scan),
      try victims(of: WTinyLFU.self, blocks: 10, [1, 1, 1, 2, 2, 2, 1, 2] + scan),
    ] {
      #expect(!victims.contains(1) && !victims.contains(2) && victims.count == 32)
    }
    let plain = try victims(of: LRU.self, blocks: 10, [1, 1, 1, 2, 2, 2, 1, 2] + scan)
    #expect(plain.contains(1) && plain.contains(2))
  }

  @Test("S3-FIFO takes a block that comes again to the main queue")
  func ghost() throws {
    // 1 leaves the small queue unused; then it stays while others pass.
    let numbers = Array(1...11) + [1] + Array(20..<40)
    let victims = try victims(of: S3FIFO.self, blocks: 10, numbers)
    #expect(victims.first == 1 && victims.filter { $0 == 1 }.count == 1)
  }
}
