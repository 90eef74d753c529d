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
  ///   - admission: What comes into the pool.
  ///   - progress: Called with the requests that were played and all of them, now and then.
  /// - Throws: `PoolError` when the pool contradicts its contract.
  public func replay(
    _ trace: Trace, blockCount: Int, admission: AdmissionName = .all,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(PoolError) -> ReplayResult {
    let door = admission.policy(blockCount: blockCount)
    func pool<Policy: EvictionPolicy & ~Copyable>(_: Policy.Type) -> Replay<Policy> {
      Replay(blockCount: blockCount, admission: door)
    }
    switch self {
    case .lru: return try Self.play(trace, on: pool(LRU.self), progress)
    case .levelledLRU: return try Self.play(trace, on: pool(LevelledLRU.self), progress)
    case .s3FIFO: return try Self.play(trace, on: pool(S3FIFO.self), progress)
    case .wTinyLFU: return try Self.play(trace, on: pool(WTinyLFU.self), progress)
    case .forecast: return try Self.play(trace, on: pool(Forecast.self), progress)
    case .leafFirst: return try Self.play(trace, on: pool(LeafFirst.self), progress)
    }
  }

  private static func play<Policy: EvictionPolicy & ~Copyable>(
    _ trace: Trace, on replay: consuming Replay<Policy>, _ progress: (Int, Int) -> Void
  ) throws(PoolError) -> ReplayResult {
    let keys = trace.keys.span
    for request in 0..<trace.requestCount {
      let arrival = trace.isTimed ? trace.arrivals[request] : nil
      try replay.play(
        keys.extracting(trace.range(of: request)), arrival: arrival,
        priority: trace.priorities[request])
      if request % 256 == 0 { progress(request, trace.requestCount) }
    }
    progress(trace.requestCount, trace.requestCount)
    return replay.result
  }
}
