/// How long an engine computes a prompt, learnt from the steps that it took.
///
/// A step's time = perToken · tokens + perPair · (tokens before each of them, added up): what the
/// layers do for each token, and attention for each pair. What a step costs by itself is no
/// token's, and least in long steps: these count more. Nothing is known before `sampleCountMin`
/// observations with `tokenCountMin` tokens.
public struct PrefillEstimate: Sendable {
  /// So many observations are needed; the slowest of them for its tokens is left out.
  public static let sampleCountMin = 4
  /// So many tokens are needed as well.
  public static let tokenCountMin = 256
  /// Observations fade by what came after them: this many tokens halve them.
  static let memoryTokens = 65_536.0

  /// Some computing steps of an engine, added up.
  public struct Sample: Equatable, Sendable {
    /// Tokens that were computed.
    public var tokenCount: Int
    /// Over those tokens: the tokens before each, added up.
    public var contextTokenCount: Int
    /// How long it took.
    public var nanoseconds: UInt64

    /// Steps by their sums.
    public init(tokenCount: Int, contextTokenCount: Int, nanoseconds: UInt64) {
      self.tokenCount = tokenCount
      self.contextTokenCount = contextTokenCount
      self.nanoseconds = nanoseconds
    }
  }

  /// What was learnt from, in all.
  public private(set) var sampleCount = 0
  private var tokenCount = 0
  private var fit = FadingFit()
  private var first: [Sample] = []

  /// An engine of which nothing is known.
  public init() {}

  /// Whether there is anything to go by.
  public private(set) var isKnown = false

  /// What each token costs by itself; 0 while nothing is known.
  public var nanosecondsPerToken: Double { fit.a }
  /// What each pair of a token and one before it costs; 0 while nothing is known.
  public var nanosecondsPerPair: Double { fit.b }

  /// Takes in what some steps have taught; without tokens or time that is nothing.
  public mutating func learn(_ sample: Sample) {
    guard sample.tokenCount > 0, sample.contextTokenCount >= 0, sample.nanoseconds > 0 else {
      return
    }
    sampleCount += 1
    tokenCount += sample.tokenCount
    guard isKnown else {
      first.append(sample)
      // Bounded also where steps are tiny: what came first says the least.
      if first.count > 64 { first.removeFirst() }
      isKnown = first.count >= Self.sampleCountMin && tokenCount >= Self.tokenCountMin
      if isKnown { begin() }
      return
    }
    fit.fade(by: 1 / (1 + Double(sample.tokenCount) / Self.memoryTokens))
    let (u, v) = (Double(sample.tokenCount), Double(sample.contextTokenCount))
    let expected = max(1, fit.value(u: u, v: v))
    let surprise = PathEstimate.surpriseMax
    let y = min(max(Double(sample.nanoseconds), expected / surprise), expected * surprise)
    fit.add(u: u, v: v, y: y, weight: u)
  }

  private mutating func begin() {
    let slowest = first.indices.max { first[$0].perToken < first[$1].perToken }
    for (index, sample) in first.enumerated() where index != slowest {
      fit.add(
        u: Double(sample.tokenCount), v: Double(sample.contextTokenCount),
        y: Double(sample.nanoseconds), weight: Double(sample.tokenCount))
    }
    first = []
  }

  /// Until `count` tokens are computed behind `start` others; nil while nothing is known.
  public func nanoseconds(tokens count: Int, behind start: Int) -> Double? {
    guard isKnown else { return nil }
    let tokens = Double(count)
    return fit.value(u: tokens, v: tokens * Double(start) + tokens * (tokens - 1) / 2)
  }
}

extension PrefillEstimate.Sample {
  fileprivate var perToken: Double { Double(nanoseconds) / Double(tokenCount) }
}
