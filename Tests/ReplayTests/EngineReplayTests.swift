import BlockPolicy
import KVBMReplay
import Testing

@Suite("Replay through the engine")
struct EngineReplayTests {
  /// The first requests of the conversation trace.
  private func start(_ requestCount: Int) throws -> Trace {
    let whole = try RecordedTrace.conversation()
    var trace = Trace()
    for request in 0..<requestCount {
      trace.append(whole.keys[whole.range(of: request)], arrival: whole.arrivals[request])
    }
    return trace
  }

  private func hits(
    _ trace: Trace, _ choice: EvictionChoice, blocks: Int
  ) throws -> (hitCount: Int, notAdmitted: Int) {
    var setup = TierSetup(hostBlocks: blocks, diskBlocks: 0)
    setup.eviction = choice
    setup.blockTokens = 512
    let result = try trace.replay(over: setup)
    return (result.hostHitCount, result.counters.storesNotAdmitted)
  }

  @Test("Plain policies have the very hits that they have on a pool", arguments: [1_000, 5_000])
  func plain(blocks: Int) throws {
    let trace = try start(3_000)
    for (policy, choice) in [(PolicyName.lru, EvictionChoice.lru), (.leafFirst, .leafFirst)] {
      let pool = try policy.replay(trace, blockCount: blocks)
      let engine = try hits(trace, choice, blocks: blocks)
      #expect(engine.hitCount == pool.hitCount && pool.hitCount > 500)
    }
  }

  @Test("A forecast learns as much as it does on a pool, and turns blocks away")
  func forecast() throws {
    let trace = try start(6_000)
    let blocks = 1_000
    let plain = try hits(trace, .lru, blocks: blocks)
    let pool = try PolicyName.forecast.replay(trace, blockCount: blocks)
    let engine = try hits(trace, .forecast, blocks: blocks)
    #expect(engine.hitCount * 100 > plain.hitCount * 150)
    #expect(engine.hitCount * 100 > pool.hitCount * 95)
    #expect(engine.notAdmitted > 1_000)
  }
}
