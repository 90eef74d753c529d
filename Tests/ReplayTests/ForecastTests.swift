import KVBMReplay
import Testing

@Suite("Forecast, on workloads")
struct ForecastTests {
  /// Blocks and the hit rate in percent that has to be reached; the best of sixteen published
  /// policies has 5.64, 14.58, 22.26 and 29.61.
  private static let targets = [(1_000, 8.0), (5_000, 16.0), (10_000, 22.5), (20_000, 29.7)]

  @Test("On the conversation trace it passes what it was built for", arguments: targets)
  func conversation(blocks: Int, percent: Double) throws {
    let trace = try RecordedTrace.conversation()
    let result = try PolicyName.forecast.replay(trace, blockCount: blocks)
    #expect(result.hitRate * 100 >= percent)
  }

  @Test("Without a clock it does nearly as well")
  func untimed() throws {
    let trace = try RecordedTrace.conversation()
    var untimed = Trace()
    for request in 0..<trace.requestCount {
      untimed.append(trace.keys[trace.range(of: request)])
    }
    let result = try PolicyName.forecast.replay(untimed, blockCount: 5_000)
    #expect(result.hitRate * 100 >= 16.0)
  }

  @Test(
    "It falls behind neither LRU nor LFU by more than 2 %, whatever comes",
    arguments: Workload.allCases)
  func guarded(workload: Workload) throws {
    let trace = workload.trace(seed: 3)
    let distinctCount = Set(trace.keys).count
    for blocks in [distinctCount / 10, distinctCount / 4] {
      let plain = max(
        try PolicyName.lru.replay(trace, blockCount: blocks).hitCount,
        trace.leastFrequentlyUsedHits(capacity: blocks))
      let forecast = try PolicyName.forecast.replay(trace, blockCount: blocks).hitCount
      #expect(forecast * 100 >= plain * 98, "\(workload), \(blocks) blocks")
    }
  }

  @Test("A cycle longer than the pool, of which LRU has nothing, is kept in part")
  func cycle() throws {
    let trace = Workload.cycle.trace(seed: 4)
    let blocks = Set(trace.keys).count / 4
    let result = try PolicyName.forecast.replay(trace, blockCount: blocks)
    let optimum = trace.optimalHitCount(capacity: blocks)
    #expect(result.hitCount * 10 > optimum * 9)
    #expect(result.declinedCount > 0)
  }

  @Test("Equal histories give equal results")
  func deterministic() throws {
    let trace = Workload.tenants.trace(seed: 6)
    let results = try (0..<2).map { _ in
      try PolicyName.forecast.replay(trace, blockCount: 700)
    }
    #expect(results[0] == results[1])
  }
}
