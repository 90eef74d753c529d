import BlockPolicy

/// The five-step cycle, in turns with its yardstick.
struct CycleFigures {
  private(set) var fiveStep = 0.0
  private(set) var baseline = 0.0
  private(set) var bytesPerBlock = 0.0
  private(set) var bytesAllocatedAfterOpen = 0
  private(set) var missCount = 0

  private static let roundCount = 9
  /// Enough to go through the pool twice: the yardstick has swept the caches in between.
  private static func batchCount(_ blockCount: Int) -> Int { max(2048, 2 * blockCount / batchSize) }

  init?(blockCount: Int) {
    let before = Stopwatch.allocatedBytes
    var pool = PoolUnderTest<LeafFirst>(blockCount: blockCount)
    bytesPerBlock = Double(Stopwatch.allocatedBytes - before) / Double(blockCount)
    pool.fill()
    guard var yardstick = BaselineUnderTest(blockCount: blockCount) else { return nil }
    yardstick.fill()
    let batchCount = Self.batchCount(blockCount)
    var times: (pool: [Double], yardstick: [Double]) = ([], [])
    for _ in 0..<Self.roundCount {
      let allocated = Stopwatch.allocatedBytes
      times.pool.append(Self.time(batchCount) { pool.cycle(batchCount: batchCount) })
      bytesAllocatedAfterOpen += Stopwatch.allocatedBytes - allocated
      times.yardstick.append(Self.time(batchCount) { yardstick.cycle(batchCount: batchCount) })
    }
    fiveStep = Self.median(times.pool)
    baseline = Self.median(times.yardstick)
    missCount = pool.missCount + yardstick.missCount
  }

  /// The cycle under a policy that was chosen when the pool was made, as a node's tiers have it.
  static func policy(_ choice: EvictionChoice, blockCount: Int) -> PoolReport.Policy {
    let before = Stopwatch.allocatedBytes
    var pool = PoolUnderTest(
      blockCount: blockCount, TierPolicy(choice, capacity: blockCount))
    let bytes = Stopwatch.allocatedBytes - before
    pool.fill()
    let batchCount = batchCount(blockCount)
    let times = (0..<roundCount).map { _ in
      time(batchCount) { pool.cycle(batchCount: batchCount) }
    }
    return PoolReport.Policy(
      name: choice.rawValue, fiveStepNs: median(times),
      bytesPerBlock: Double(bytes) / Double(blockCount))
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private static func time(_ batchCount: Int, _ body: () -> Void) -> Double {
    let start = Stopwatch.now
    body()
    return Double(Stopwatch.now - start) / Double(batchCount * batchSize)
  }
}
