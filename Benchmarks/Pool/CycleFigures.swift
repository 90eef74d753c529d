import BlockPolicy

/// The five-step cycle under some policies, in turns with its yardstick.
struct CycleFigures {
  /// A pool under one policy.
  struct Policy {
    fileprivate(set) var fiveStep = 0.0
    fileprivate(set) var bytesPerBlock = 0.0
    fileprivate(set) var bytesAllocatedAfterOpen = 0
  }

  private(set) var policies: [Policy] = []
  private(set) var baseline = 0.0
  private(set) var missCount = 0

  private static let roundCount = 9
  /// Enough to go through the pool twice: the others have swept the caches in between.
  private static func batchCount(_ blockCount: Int) -> Int { max(2048, 2 * blockCount / batchSize) }

  /// - Parameter choices: At least one policy.
  init?(_ choices: [EvictionChoice], blockCount: Int) {
    guard var yardstick = BaselineUnderTest(blockCount: blockCount) else { return nil }
    yardstick.fill()
    let pools = choices.map { choice in
      let before = Stopwatch.allocatedBytes
      let pool = Box(
        PoolUnderTest(blockCount: blockCount, TierPolicy(choice, capacity: blockCount)))
      let bytes = Stopwatch.allocatedBytes - before
      policies.append(Policy(bytesPerBlock: Double(bytes) / Double(blockCount)))
      pool.value.fill()
      return pool
    }
    let batchCount = Self.batchCount(blockCount)
    var times = Array(repeating: [Double](), count: choices.count)
    var yardstickTimes: [Double] = []
    for _ in 0..<Self.roundCount {
      yardstickTimes.append(Self.time(batchCount) { yardstick.cycle(batchCount: batchCount) })
      for (number, pool) in pools.enumerated() {
        let allocated = Stopwatch.allocatedBytes
        let time = Self.time(batchCount) { pool.value.cycle(batchCount: batchCount) }
        policies[number].bytesAllocatedAfterOpen += Stopwatch.allocatedBytes - allocated
        times[number].append(time)
      }
    }
    baseline = Self.median(yardstickTimes)
    missCount = yardstick.missCount
    for (number, pool) in pools.enumerated() {
      policies[number].fiveStep = Self.median(times[number])
      missCount += pool.value.missCount
    }
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private static func time(_ batchCount: Int, _ body: () -> Void) -> Double {
    let start = Stopwatch.now
    body()
    return Double(Stopwatch.now - start) / Double(batchCount * batchSize)
  }
}
