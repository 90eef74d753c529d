/// How it is decided whether a prefix that is there is loaded.
public enum LoadDecision: String, Hashable, Sendable, CaseIterable {
  /// Loaded as far as that is expected to be faster than computing it.
  case measured
  /// Loaded wherever it is there.
  case always
}

/// What `match` held back since computing it is expected to be faster.
public struct LoadRefusal: Equatable, Sendable {
  /// Where the way that is too slow begins: host memory, or the disk, which stands for all that is
  /// below host memory.
  public var tier: Tier
  /// Positions that are not promised, or not staged.
  public var positionCount: Int
  /// What the way was expected to take for them, and what computing them is.
  public var loadNanoseconds: UInt64
  public var computeNanoseconds: UInt64
}

/// What is known of the speed of a way, at a moment.
public struct PathFigures: Equatable, Sendable {
  /// Transfers that it was learnt from, in all.
  public var sampleCount: Int
  /// Whether those were enough to go by.
  public var isKnown: Bool
  /// What a transfer costs however small it is, and for each byte of its queue; 0 while nothing is
  /// known.
  public var fixedNanoseconds: Double
  public var nanosecondsPerByte: Double
  /// Bytes that are on the way.
  public var queuedBytes: Int

  init(_ path: PathEstimate) {
    sampleCount = path.sampleCount
    isKnown = path.isKnown
    fixedNanoseconds = path.fixedNanoseconds
    nanosecondsPerByte = path.nanosecondsPerByte
    queuedBytes = path.queuedBytes
  }
}

/// What is known of the speed of an inference engine, at a moment.
public struct EngineFigures: Equatable, Sendable {
  /// From host memory into its device.
  public var host: PathFigures
  /// Observations of its prefill, in all, and whether those were enough to go by.
  public var prefillSampleCount: Int
  public var isPrefillKnown: Bool
  /// What a token costs to compute by itself, and with each token before it; 0 while nothing is
  /// known.
  public var nanosecondsPerToken: Double
  public var nanosecondsPerPair: Double
}
