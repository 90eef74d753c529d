import BlockIdentity

/// Decides whether a block that is absent from a tier may come in.
///
/// One value for each tier, asked under the engine's lock: it must be quick, bounded in memory, and
/// deterministic, so that equal histories give equal answers.
public protocol AdmissionPolicy: Sendable {
  /// Whether the block is worth its place; called once each time that it could come in.
  mutating func admits(_ key: BlockKey) -> Bool
}

/// Lets everything in.
public struct AdmitAll: AdmissionPolicy {
  /// The policy has no state.
  public init() {}

  /// Always.
  public func admits(_ key: BlockKey) -> Bool { true }
}
