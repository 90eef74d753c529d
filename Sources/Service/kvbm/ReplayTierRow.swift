import KVBMNode
import KVBMReplay

/// What the engine made of a trace over tiers of one size.
struct ReplayTierRow: Encodable {
  let setup: TierSetup
  let result: TierResult
  let seconds: Double

  private enum Key: String, CodingKey {
    case eviction, hostAdmission, diskAdmission, hostBlocks, diskBlocks
    case requests, promptBlocks, generatedBlocks
    case hostHitBlocks, diskHitBlocks, hitRate
    case loadedBytes, storedBytes, readBytes, writtenBytes, writtenBytesPerDay
    case hostEvictions, diskEvictions, writesDropped, writesLapsed, stagingExpired
    case prefillSavedSeconds, served, recomputed, operations, seconds, operationsPerSecond
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    let counters = result.counters
    try fields.encode(setup.eviction.rawValue, forKey: .eviction)
    try fields.encode(setup.hostAdmission.rawValue, forKey: .hostAdmission)
    try fields.encode(setup.diskAdmission.rawValue, forKey: .diskAdmission)
    try fields.encode(setup.hostBlocks, forKey: .hostBlocks)
    try fields.encode(setup.diskBlocks, forKey: .diskBlocks)
    try fields.encode(result.requestCount, forKey: .requests)
    try fields.encode(result.promptBlockCount, forKey: .promptBlocks)
    try fields.encode(result.generatedBlockCount, forKey: .generatedBlocks)
    try fields.encode(result.hostHitCount, forKey: .hostHitBlocks)
    try fields.encode(result.diskHitCount, forKey: .diskHitBlocks)
    try fields.encode(result.hitRate.rounded(to: 4), forKey: .hitRate)
    try fields.encode(bytes(counters.blocksLoaded), forKey: .loadedBytes)
    try fields.encode(bytes(counters.blocksStored), forKey: .storedBytes)
    try fields.encode(bytes(counters.blocksStaged), forKey: .readBytes)
    try fields.encode(bytes(counters.blocksWritten), forKey: .writtenBytes)
    try fields.encodeIfPresent(writtenBytesPerDay, forKey: .writtenBytesPerDay)
    try fields.encode(counters.hostEvictions, forKey: .hostEvictions)
    try fields.encode(counters.diskEvictions, forKey: .diskEvictions)
    try fields.encode(counters.writesDropped, forKey: .writesDropped)
    try fields.encode(counters.writesLapsed, forKey: .writesLapsed)
    try fields.encode(counters.stagingExpired, forKey: .stagingExpired)
    try fields.encode(savedSeconds.rounded(to: 3), forKey: .prefillSavedSeconds)
    try fields.encode(Times(result.served), forKey: .served)
    try fields.encode(Times(result.recomputed), forKey: .recomputed)
    try fields.encode(result.operationCount, forKey: .operations)
    try fields.encode(seconds.rounded(to: 3), forKey: .seconds)
    try fields.encode(operationsPerSecond.rounded(), forKey: .operationsPerSecond)
  }

  /// Times as they are printed.
  private struct Times: Encodable {
    let meanSeconds: Double
    let p50Seconds: Double
    let p90Seconds: Double

    init(_ times: TimeDistribution) {
      let quantiles = times.quantiles([0.5, 0.9]).map { (Double($0) / 1e9).rounded(to: 6) }
      meanSeconds = (times.mean / 1e9).rounded(to: 6)
      (p50Seconds, p90Seconds) = (quantiles[0], quantiles[1])
    }

    /// "1.204 / 0.310 / 4.021 s"
    var text: String { "\(fixed(meanSeconds)) / \(fixed(p50Seconds)) / \(fixed(p90Seconds)) s" }

    private func fixed(_ seconds: Double) -> String {
      let thousandths = Int((seconds * 1000).rounded())
      let rest = "\(thousandths % 1000)"
      return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
  }

  private var savedSeconds: Double { Double(result.prefillSavedNanoseconds) / 1e9 }

  private var operationsPerSecond: Double { Double(result.operationCount) / max(seconds, 1e-9) }

  private var writtenBytesPerDay: Int? {
    result.writesPerDay.flatMap { Int(exactly: ($0 * Double(setup.blockBytes)).rounded()) }
  }

  private func bytes(_ blocks: Int) -> Int { blocks * setup.blockBytes }

  /// A head and a row for each, and what the times are to be held against.
  static func table(_ rows: [ReplayTierRow]) -> [[String]] {
    let head = [
      "policy", "host", "disk", "host admits", "disk admits", "host hits", "disk hits", "hit rate",
      "loaded", "read", "written", "written a day", "prefill saved",
      "load and compute: mean / p50 / p90",
    ]
    let recomputed = rows.first.map { row in
      ["computed whole"] + Array(repeating: "", count: head.count - 2)
        + [Times(row.result.recomputed).text]
    }
    return [head] + rows.map(\.cells) + [recomputed].compactMap { $0 }
  }

  private var cells: [String] {
    let counters = result.counters
    return [
      setup.eviction.rawValue, TextTable.grouped(setup.hostBlocks),
      TextTable.grouped(setup.diskBlocks), setup.hostAdmission.rawValue,
      setup.diskAdmission.rawValue,
      TextTable.grouped(result.hostHitCount), TextTable.grouped(result.diskHitCount),
      ReplayRow.percent(result.hitRate), "\(ByteSize(bytes: bytes(counters.blocksLoaded)))",
      "\(ByteSize(bytes: bytes(counters.blocksStaged)))",
      "\(ByteSize(bytes: bytes(counters.blocksWritten)))",
      writtenBytesPerDay.map { "\(ByteSize(bytes: $0))" } ?? "-",
      "\(TextTable.grouped(Int(savedSeconds.rounded()))) s", Times(result.served).text,
    ]
  }
}
