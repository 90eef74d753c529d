/// What is known of the speed of one inference engine, and what was decided by it.
struct EngineSpeed {
  /// From host memory into its device: a load at a time, all its blocks.
  var host: PathEstimate
  var prefill = PrefillEstimate()
  /// Tokens of one position; told with the first observation of its prefill.
  var blockTokens = 0
  /// When to load although computing is faster.
  var hostTrial: TrialClock
  /// By tier and by the binary logarithm of a number of positions: prefixes of about that length
  /// are computed, the last time that there was a choice.
  private var refused: (host: UInt64, disk: UInt64) = (0, 0)

  init(_ limits: Limits) {
    host = PathEstimate(memoryCount: 16, memoryNanoseconds: 16 * limits.trialNanoseconds)
    hostTrial = TrialClock(intervalNanoseconds: limits.trialNanoseconds)
  }

  /// What computing `count` positions behind `start` others costs; nil while nothing is known.
  func computeNanoseconds(of count: Int, behind start: Int) -> Double? {
    guard blockTokens > 0 else { return nil }
    return prefill.nanoseconds(tokens: count * blockTokens, behind: start * blockTokens)
  }

  /// Whether a way is worth it for so many positions.
  ///
  /// It is when it is expected to be faster than computing; once it was not, only when it is by a
  /// fifth, so that what is about equal is not decided anew each time. Never is a way taken that is
  /// expected to be slower.
  mutating func prefers(
    _ tier: Tier, positionCount: Int, load: Double, compute: Double
  ) -> Bool {
    let bit = UInt64(1) << UInt64(Int.bitWidth - 1 - max(1, positionCount).leadingZeroBitCount)
    let wasRefused = (tier == .host ? refused.host : refused.disk) & bit != 0
    let isWorthIt = load <= compute * (wasRefused ? Self.return : 1)
    switch (tier, isWorthIt) {
    case (.host, true): refused.host &= ~bit
    case (.host, false): refused.host |= bit
    case (.disk, true): refused.disk &= ~bit
    case (.disk, false): refused.disk |= bit
    }
    return isWorthIt
  }

  /// So much of what computing takes a way may take that was too slow before.
  static let `return` = 0.8
}

/// What is known of all speeds.
struct SpeedBook {
  /// From disk to host memory, a block at a time; writes to the disk are in its queue.
  var disk: PathEstimate
  /// When to read from the disk although computing is faster.
  var diskTrial: TrialClock
  /// The same for the object store; what is put into it goes another way.
  var object: PathEstimate
  var objectTrial: TrialClock
  private(set) var engines: [EngineID: EngineSpeed] = [:]
  private let limits: Limits

  init(_ limits: Limits) {
    disk = PathEstimate(memoryCount: 64, memoryNanoseconds: 16 * limits.trialNanoseconds)
    diskTrial = TrialClock(intervalNanoseconds: limits.trialNanoseconds)
    object = PathEstimate(memoryCount: 64, memoryNanoseconds: 16 * limits.trialNanoseconds)
    objectTrial = TrialClock(intervalNanoseconds: limits.trialNanoseconds)
    self.limits = limits
  }

  /// An engine's entry, made when it is first changed; beyond `engineLimit` it is lost again.
  subscript(engine: EngineID) -> EngineSpeed {
    get { engines[engine] ?? EngineSpeed(limits) }
    set {
      guard engines[engine] != nil || engines.count < Self.engineLimit else { return }
      engines[engine] = newValue
    }
  }

  /// The engine is gone.
  mutating func forget(_ engine: EngineID) { engines[engine] = nil }

  /// More than can be attached.
  static let engineLimit = 4096
}
