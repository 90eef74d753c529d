import KVBMReplay

/// What one policy made of a trace at one capacity.
struct ReplayRow: Encodable {
  let policy: PolicyName
  let admission: AdmissionName
  let hostBlocks: Int
  let result: ReplayResult
  /// The most hits that there can be at this capacity.
  let optimum: Int
  let seconds: Double

  var optimalHitRate: Double { Double(optimum) / Double(result.blockCount) }

  private var operationsPerSecond: Double { Double(result.operationCount) / max(seconds, 1e-9) }

  private enum Key: String, CodingKey {
    case eviction, admission, hostBlocks, requests, blocks, hitBlocks, hitRate, optimalHitRate
    case ofOptimum, storedBlocks, evictedBlocks, refusedBlocks, declinedBlocks, operations, seconds
    case operationsPerSecond
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode(policy.rawValue, forKey: .eviction)
    try fields.encode(admission.rawValue, forKey: .admission)
    try fields.encode(hostBlocks, forKey: .hostBlocks)
    try fields.encode(result.requestCount, forKey: .requests)
    try fields.encode(result.blockCount, forKey: .blocks)
    try fields.encode(result.hitCount, forKey: .hitBlocks)
    try fields.encode(result.hitRate.rounded(to: 4), forKey: .hitRate)
    try fields.encode(optimalHitRate.rounded(to: 4), forKey: .optimalHitRate)
    try fields.encode(ofOptimum.rounded(to: 4), forKey: .ofOptimum)
    try fields.encode(result.storedCount, forKey: .storedBlocks)
    try fields.encode(result.evictedCount, forKey: .evictedBlocks)
    try fields.encode(result.refusedCount, forKey: .refusedBlocks)
    try fields.encode(result.declinedCount, forKey: .declinedBlocks)
    try fields.encode(result.operationCount, forKey: .operations)
    try fields.encode(seconds.rounded(to: 3), forKey: .seconds)
    try fields.encode(operationsPerSecond.rounded(), forKey: .operationsPerSecond)
  }

  /// Hits per hit that was possible.
  private var ofOptimum: Double {
    optimum == 0 ? 1 : Double(result.hitCount) / Double(optimum)
  }

  /// A head and a row for each.
  static func table(_ rows: [ReplayRow]) -> [[String]] {
    [
      [
        "policy", "admission", "blocks", "hits", "hit rate", "optimum", "of optimum", "stored",
        "M operations/s",
      ]
    ]
      + rows.map { row in
        [
          row.policy.rawValue, row.admission.rawValue, TextTable.grouped(row.hostBlocks),
          TextTable.grouped(row.result.hitCount), percent(row.result.hitRate),
          percent(row.optimalHitRate), percent(row.ofOptimum),
          TextTable.grouped(row.result.storedCount),
          "\((row.operationsPerSecond / 1e6).rounded(to: 1))",
        ]
      }
  }

  /// A rate as it is printed.
  static func percent(_ rate: Double) -> String {
    let hundredths = Int((rate * 10_000).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) %"
  }
}

extension Double {
  /// The nearest number of so many decimal places.
  func rounded(to places: Int) -> Double {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    return (self * scale).rounded() / scale
  }
}
