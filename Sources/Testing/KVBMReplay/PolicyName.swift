import BlockPool

/// The policies that a replay can be asked for.
public enum PolicyName: String, CaseIterable, Sendable {
  /// Evicts what was used longest ago.
  case lru
  /// Evicts a block only after its descendants.
  case leafFirst = "leaf-first"
  /// Evicts what is expected to be used least, as learnt on line.
  case forecast
  /// For comparison: LRU in levels by the number of uses.
  case levelledLRU = "levelled-lru"
  /// For comparison: S3-FIFO.
  case s3FIFO = "s3-fifo"
  /// For comparison: W-TinyLFU.
  case wTinyLFU = "w-tinylfu"

  /// The one that is recommended.
  public static let best = PolicyName.forecast

  /// What a list of names means: names with commas, `best`, or `all`; nil with an unknown name.
  public static func list(_ text: String) -> [PolicyName]? {
    if text == "all" { return allCases }
    var names: [PolicyName] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let name = part == "best" ? best : PolicyName(rawValue: String(part)) else {
        return nil
      }
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// Plays a trace under this policy on an empty pool.
  ///
  /// - Parameters:
  ///   - blockCount: The pool's blocks, at least 1.
  ///   - progress: Called with the requests that were played and all of them, now and then.
  /// - Throws: `PoolError` when the pool contradicts its contract.
  public func replay(
    _ trace: Trace, blockCount: Int, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(PoolError) -> ReplayResult {
    switch self {
    case .lru: try Self.play(trace, on: Replay<LRU>(blockCount: blockCount), progress)
    case .levelledLRU:
      try Self.play(trace, on: Replay<LevelledLRU>(blockCount: blockCount), progress)
    case .s3FIFO: try Self.play(trace, on: Replay<S3FIFO>(blockCount: blockCount), progress)
    case .wTinyLFU: try Self.play(trace, on: Replay<WTinyLFU>(blockCount: blockCount), progress)
    case .forecast: try Self.play(trace, on: Replay<Forecast>(blockCount: blockCount), progress)
    case .leafFirst: try Self.play(trace, on: Replay<LeafFirst>(blockCount: blockCount), progress)
    }
  }

  private static func play<Policy: EvictionPolicy & ~Copyable>(
    _ trace: Trace, on replay: consuming Replay<Policy>, _ progress: (Int, Int) -> Void
  ) throws(PoolError) -> ReplayResult {
    let keys = trace.keys.span
    for request in 0..<trace.requestCount {
      let arrival = trace.isTimed ? trace.arrivals[request] : nil
      try replay.play(keys.extracting(trace.range(of: request)), arrival: arrival)
      if request % 256 == 0 { progress(request, trace.requestCount) }
    }
    progress(trace.requestCount, trace.requestCount)
    return replay.result
  }
}
