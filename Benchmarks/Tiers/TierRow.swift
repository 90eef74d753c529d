/// One path beside its yardstick: medians of repeats that took turns in one run.
public struct TierRow: Encodable, Sendable {
  /// What is measured.
  public var path: String
  /// Bytes moved in a nanosecond; nil where a time is what counts.
  public var gbps: Double?
  /// What it is compared with; nil with nothing.
  public var yardstick: String?
  /// The yardstick's bytes in a nanosecond; nil where a time is what counts, or it is not there.
  public var yardstickGbps: Double?
  /// How long it takes in milliseconds; nil where speed is what counts.
  public var milliseconds: Double?
  /// How long the yardstick takes.
  public var yardstickMilliseconds: Double?
  /// Median of the ratios of the turns: path to yardstick, of speeds or of times.
  public var ratio: Double?
  /// Processor time of a KiB in nanoseconds, of the path and of the yardstick.
  public var cpuPerKib: Double?
  public var yardstickCpuPerKib: Double?
  /// What else must be known to read the figures.
  public var note: String?

  /// A row about speeds.
  static func speed(_ path: String, beside yardstick: String, _ turns: [Turn]) -> TierRow {
    var row = TierRow(path: path, yardstick: yardstick)
    row.gbps = median(turns.map(\.value))
    row.yardstickGbps = median(turns.compactMap(\.yardstick))
    row.ratio = median(turns.compactMap(\.ratio))
    return row
  }

  /// A row about times in milliseconds.
  static func time(_ path: String, beside yardstick: String, _ turns: [Turn]) -> TierRow {
    var row = TierRow(path: path, yardstick: yardstick)
    row.milliseconds = median(turns.map(\.value))
    row.yardstickMilliseconds = median(turns.compactMap(\.yardstick))
    row.ratio = median(turns.compactMap(\.ratio))
    return row
  }

  private init(path: String, yardstick: String) {
    self.path = path
    self.yardstick = yardstick
  }
}

/// A figure of one turn, and that of its yardstick right after it.
struct Turn {
  /// The path's figure.
  var value: Double
  /// The yardstick's; nil when it is not there.
  var yardstick: Double?

  /// Path to yardstick.
  var ratio: Double? { yardstick.flatMap { $0 > 0 ? value / $0 : nil } }
}

/// The middle one, or the mean of the two in the middle; nil of nothing.
func median(_ values: [Double]) -> Double? {
  guard !values.isEmpty else { return nil }
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
