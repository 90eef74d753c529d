import BlockIdentity

/// Decides whether a block that is absent from a tier may come in.
///
/// One value for each tier, asked under the engine's lock: it must be quick, bounded in memory, and
/// deterministic, so that equal histories give equal answers.
public protocol AdmissionPolicy: Sendable {
  /// Whether the block is worth its place.
  ///
  /// Asked once each time that a request brings the block by, whether it is there already or not:
  /// that is what policies learn from. A request's blocks come in order, from the first one on.
  mutating func admits(_ candidate: AdmissionCandidate) -> Bool
}

/// A block that a request brings by.
public struct AdmissionCandidate: Sendable {
  /// Its key in its sequence; the blocks of all cache groups come in together.
  public var key: BlockKey
  /// What these take up in the tier.
  public var bytes: Int
  /// What the block is said to be worth, 0...100.
  public var priority: Int
  /// Nanoseconds since the origin of the caller's clock; never decreases.
  public var now: UInt64

  /// What a block is worth of which nothing was said.
  public static let normalPriority = 50

  /// A block by its parts.
  public init(key: BlockKey, bytes: Int, priority: Int = normalPriority, now: UInt64) {
    self.key = key
    self.bytes = bytes
    self.priority = priority
    self.now = now
  }
}

/// Lets everything in.
public struct AdmitAll: AdmissionPolicy {
  /// The policy has no state.
  public init() {}

  /// Always.
  public func admits(_ candidate: AdmissionCandidate) -> Bool { true }
}
