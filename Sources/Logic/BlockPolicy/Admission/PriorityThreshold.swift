/// Lets a block in whose request calls it worth at least so much.
///
/// A block of which nothing is said is worth `AdmissionCandidate.normalPriority`: with a threshold
/// up to that only what is called worth less stays out, with one above it only what is asked for
/// comes in.
public struct PriorityThreshold: AdmissionPolicy {
  /// The least priority that comes in.
  public let least: Int

  /// What a threshold can be: with 0 it would be `AdmitAll`.
  public static let range = 1...100

  /// A threshold of `range`.
  public init(_ least: Int) {
    precondition(Self.range.contains(least), "a threshold keeps something out, and not everything")
    self.least = least
  }

  /// Whether the block is called worth so much.
  public func admits(_ candidate: AdmissionCandidate) -> Bool { candidate.priority >= least }
}
