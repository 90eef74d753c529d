import BlockEngine

/// What an engine with its tiers made of a trace.
public struct TierResult: Equatable, Sendable {
  /// Requests that were played.
  public var requestCount = 0
  /// Blocks that their prompts needed, and that were generated behind them.
  public var promptBlockCount = 0
  public var generatedBlockCount = 0
  /// Of the prompts' blocks: loaded from host memory, and from disk through it.
  public var hostHitCount = 0
  public var diskHitCount = 0
  /// What the engine has counted.
  public var counters = Counters()
  /// From the first request's arrival to the last one's; 0 when the trace has no times.
  public var spanNanoseconds: UInt64 = 0
  /// What computing all that was loaded would have taken.
  public var prefillSavedNanoseconds: UInt64 = 0
  /// By request: until its prompt's KV is there, loaded and computed; and computed alone.
  public var served = TimeDistribution()
  public var recomputed = TimeDistribution()

  /// Loaded blocks per block of a prompt.
  public var hitRate: Double {
    promptBlockCount == 0
      ? 0 : Double(hostHitCount + diskHitCount) / Double(promptBlockCount)
  }

  /// Blocks written to disk in a day of the trace; nil when it has no times.
  public var writesPerDay: Double? {
    spanNanoseconds == 0
      ? nil : Double(counters.blocksWritten) / (Double(spanNanoseconds) / 86_400e9)
  }

  /// Calls that pools saw, counted by block: match, allocate, register, release.
  public var operationCount: Int {
    counters.readyBlocks + counters.pendingBlocks + counters.blocksLoaded + counters.storesPresent
      + 2 * (counters.blocksStored + counters.blocksStaged + counters.blocksWritten)
  }
}

/// Times of many requests.
public struct TimeDistribution: Equatable, Sendable {
  private var nanoseconds: [UInt64] = []

  /// No times.
  public init() {}

  /// Adds one.
  mutating func add(_ time: UInt64) { nanoseconds.append(time) }

  /// Their sum.
  public var sum: UInt64 { nanoseconds.reduce(0, +) }

  /// Their mean in nanoseconds; 0 for none.
  public var mean: Double {
    nanoseconds.isEmpty ? 0 : Double(sum) / Double(nanoseconds.count)
  }

  /// The times, in nanoseconds, that these shares of the requests, 0...1, do not exceed.
  ///
  /// - Complexity: O(n log n).
  public func quantiles(_ shares: [Double]) -> [UInt64] {
    let sorted = nanoseconds.sorted()
    return shares.map { share in
      guard !sorted.isEmpty else { return 0 }
      let place = Int((share * Double(sorted.count)).rounded(.up)) - 1
      return sorted[min(max(place, 0), sorted.count - 1)]
    }
  }
}
