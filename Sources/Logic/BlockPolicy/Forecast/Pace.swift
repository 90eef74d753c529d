/// How fast blocks come in, and when the forecast should be made anew.
struct Pace: BitwiseCopyable {
  private var liveCount = 0
  private var cameInCount = 0
  private var since: UInt32 = 1
  private var untilUpdate = updateMin
  private var updateSpan = updateMin
  private let updateMax: Int
  /// The ticks in which as many blocks came in as are there, at the last update.
  private(set) var turnover: Float = 1

  /// The octave of the turnover: what is long and what is short depends on it.
  private(set) var scale = 10

  /// Blocks that come in between two updates: few at first, for everything is new.
  private static let updateMin = 512

  /// The pace of a pool of that capacity.
  init(capacity: Int) { updateMax = min(max(capacity / 16, 2 * Self.updateMin), 1 << 16) }

  /// A block came in.
  mutating func cameIn() {
    liveCount += 1
    cameInCount += 1
    untilUpdate -= 1
  }

  /// A block from before was found.
  mutating func adopted() { liveCount += 1 }

  /// Blocks were offered and not stored.
  mutating func turnedAway(_ count: Int) {
    cameInCount += count
    untilUpdate -= count
  }

  /// A block left.
  mutating func leftPool() { liveCount -= 1 }

  var isUpdateDue: Bool { untilUpdate <= 0 }

  /// Measures the turnover, and begins the next span.
  mutating func turnover(at now: UInt32) -> Float {
    let ticks = Float(max(1, now &- since))
    let recent = ticks * Float(max(1, liveCount)) / Float(max(1, cameInCount))
    turnover = turnover == 1 ? recent : (turnover + recent) / 2
    // A change moves blocks between classes, so it waits until it is clear.
    let octave = Float(UInt64(1) << UInt64(scale))
    if turnover > 3 * octave || turnover < octave * 2 / 3 {
      scale = min(30, Int(max(1, turnover).exponent))
    }
    since = now
    cameInCount = 0
    updateSpan = min(updateSpan * 5 / 4, updateMax)
    untilUpdate = updateSpan
    return turnover
  }
}
