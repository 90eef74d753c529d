import BlockIdentity
import BlockPolicy
import KVBMReplay
import KVBMTesting
import Testing

@Suite("Replay over tiers")
struct TierReplayTests {
  private static let second: UInt64 = 1_000_000_000

  private func keys(_ numbers: some Sequence<Int>) -> [BlockKey] {
    numbers.map { BlockKey(high: Random.mix(UInt64($0) &+ 1), low: UInt64($0) &+ 1) }
  }

  /// Requests so many seconds apart.
  private func timed(_ requests: [[Int]], every gap: UInt64 = 1) -> Trace {
    var trace = Trace()
    for (number, request) in requests.enumerated() {
      trace.append(keys(request), arrival: UInt64(number) * gap * Self.second)
    }
    return trace
  }

  /// Blocks of a million bytes and ten tokens, a thousand a second from the host, a hundred from
  /// disk, ten computed.
  private func setup(host: Int, disk: Int) -> TierSetup {
    var setup = TierSetup(hostBlocks: host, diskBlocks: disk)
    (setup.blockBytes, setup.blockTokens) = (1_000_000, 10)
    (setup.hostSpeed, setup.diskSpeed, setup.prefillSpeed) = (1e9, 1e8, 100)
    return setup
  }

  /// Requests down a random tree, each perhaps longer than the one that it goes on with.
  private func requests(_ count: Int, seed: UInt64) -> [[Int]] {
    var random = Random(seed: seed)
    return (0..<count).map { _ in
      var node = 1
      return (0...random.below(12)).map { _ in
        node = node * 4 + random.below(3)
        return node
      }
    }
  }

  private func naiveHits(_ requests: [[Int]]) -> Int {
    var seen: Set<Int> = []
    return requests.reduce(0) { sum, request in
      let hits = request.prefix { seen.contains($0) }.count
      seen.formUnion(request)
      return sum + hits
    }
  }

  @Test("What is called worth less than a tier's threshold does not come into it")
  func priority() throws {
    var trace = Trace()
    for round in 0..<2 {
      for number in 0..<10 {
        let blocks = keys((0..<4).map { number * 4 + $0 })
        let arrival = UInt64(round * 10 + number) * 10 * Self.second
        trace.append(blocks, arrival: arrival, priority: number < 3 ? 80 : 20)
      }
    }
    var setup = setup(host: 100, disk: 100)
    setup.diskAdmission = .priority(60)
    let written = try trace.replay(over: setup)
    #expect(written.counters.blocksWritten == 12 && written.hostHitCount == 40)
    setup.hostAdmission = .priority(60)
    let stored = try trace.replay(over: setup)
    #expect(stored.counters.blocksStored == 12 && stored.hostHitCount == 12)
  }

  @Test("Host memory that holds all gives back all that was seen before", arguments: [true, false])
  func everythingFits(isTimed: Bool) throws {
    let requests = requests(300, seed: 3)
    let trace = try isTimed ? timed(requests) : trace(requests)
    let result = try trace.replay(over: setup(host: 10_000, disk: 0))
    #expect(result.promptBlockCount == requests.joined().count)
    #expect(result.hostHitCount == naiveHits(requests) && result.diskHitCount == 0)
    #expect(result.counters.blocksWritten == 0)
    #expect(result.counters.blocksLoaded == result.hostHitCount)
  }

  @Test("What small host memory loses comes back from a disk that holds all", arguments: 1...3)
  func diskFits(seed: UInt64) throws {
    let requests = requests(300, seed: seed)
    var replay = TierReplay(setup(host: 30, disk: 10_000))
    for (number, request) in requests.enumerated() {
      let keys = keys(request)
      try replay.play(
        keys.span, promptCount: keys.count, arrival: UInt64(number) * 10 * Self.second)
      try replay.checkInvariants()
    }
    // The last one's writes end as well.
    let nothing: [BlockKey] = []
    try replay.play(nothing.span, promptCount: 0, arrival: 4000 * Self.second)
    let result = replay.result
    #expect(result.hostHitCount + result.diskHitCount == naiveHits(requests))
    #expect(result.diskHitCount > 100 && result.hostHitCount > 100)
    #expect(result.counters.blocksStaged == result.diskHitCount)
    #expect(result.counters.blocksWritten == Set(requests.joined()).count)
  }

  @Test(
    "Through the engine a policy has the hits that it has on a pool",
    arguments: ["lru", "leaf-first"])
  func likeThePool(name: String) throws {
    let requests = requests(600, seed: 11)
    let trace = try trace(requests)
    var setup = setup(host: 60, disk: 0)
    setup.eviction = try #require(EvictionChoice(rawValue: name))
    let policy = try #require(PolicyName(rawValue: name))
    let pool = try policy.replay(trace, blockCount: 60)
    let engine = try trace.replay(over: setup)
    #expect(abs(engine.hostHitCount - pool.hitCount) * 10 < pool.hitCount)
  }

  @Test("Times are those of the path that each block takes")
  func times() throws {
    // Computed; from the host; pushed out; from disk.
    let trace = timed([Array(0..<10), Array(0..<10), Array(20..<40), Array(0..<10)], every: 60)
    let result = try trace.replay(over: setup(host: 20, disk: 100))
    #expect(result.hostHitCount == 10 && result.diskHitCount == 10)
    let milliseconds = result.served.quantiles([0.25, 0.5, 0.75, 1]).map { $0 / 1_000_000 }
    // A block: 1 ms from the host, 10 more from disk, 100 to compute.
    #expect(milliseconds == [10, 110, 1000, 2000])
    #expect(result.recomputed.sum == 5000 * 1_000_000)
    #expect(result.recomputed.mean == 1250 * 1_000_000)
    #expect(result.prefillSavedNanoseconds == 2 * 1000 * 1_000_000)
    #expect(result.spanNanoseconds == 180 * Self.second)
    #expect(result.writesPerDay?.rounded() == 14_400.0)
  }

  @Test("What stands before a token makes it slower to compute")
  func context() throws {
    let trace = timed([Array(0..<10), Array(0..<20)], every: 60)
    var setup = setup(host: 100, disk: 0)
    setup.prefillContext = Double(10 * setup.blockTokens)
    let result = try trace.replay(over: setup)
    // 100 ms a block by itself; the first ten take 1.5 times as long, those behind them 2.5 times.
    #expect(result.recomputed.sum == UInt64(1500 + 4000) * 1_000_000)
    #expect(result.prefillSavedNanoseconds == 1500 * 1_000_000)
    #expect(result.served.sum == UInt64(1500 + 10 + 2500) * 1_000_000)
  }

  @Test("A disk too slow for the staging deadline brings what it can by then")
  func slowDisk() throws {
    var slow = setup(host: 64, disk: 1_000)
    // Four blocks a second, and two seconds of patience.
    slow.diskSpeed = 4e6
    let trace = timed([Array(0..<20), Array(100..<164), Array(0..<20)], every: 600)
    let result = try trace.replay(over: slow)
    #expect(result.diskHitCount == 8)
    #expect(result.counters.stagingExpired == 1)
    let longest = result.served.quantiles([0.5])[0]
    #expect(longest == UInt64(2_000 + 8 + 12 * 100) * 1_000_000)
  }

  @Test("Writes that a slow disk is behind with are lost when their blocks leave")
  func slowWrites() throws {
    var slow = setup(host: 600, disk: 10_000)
    slow.diskSpeed = 1e6
    let result = try timed((0..<60).map { Array(($0 * 30)..<($0 * 30 + 30)) }).replay(over: slow)
    #expect(result.counters.writesLapsed > 0)
    #expect(result.counters.blocksWritten <= 60, "one a second")
  }

  @Test("What was generated is stored, and asked for only when a prompt has it")
  func generated() throws {
    var trace = Trace()
    trace.append(keys([1, 2, 3, 4]), promptCount: 2)
    trace.append(keys([1, 2, 3, 4, 5]), promptCount: 4)
    let result = try trace.replay(over: setup(host: 100, disk: 0))
    #expect(result.promptBlockCount == 6 && result.generatedBlockCount == 3)
    #expect(result.hostHitCount == 4 && result.counters.blocksStored == 5)
    #expect(result.writesPerDay == nil, "no times, no days")
  }

  @Test("Equal replays are equal, and prompts longer than a tier do no harm")
  func extremes() throws {
    let requests = requests(100, seed: 9) + [Array(1000..<1200), [], Array(1000..<1200)]
    let trace = timed(requests)
    let first = try trace.replay(over: setup(host: 40, disk: 60))
    #expect(try trace.replay(over: setup(host: 40, disk: 60)) == first)
    #expect(first.requestCount == 103)
    let tiny = try trace.replay(over: setup(host: 1, disk: 1))
    #expect(tiny.hitRate < first.hitRate)
  }
}
