/// The program contradicts itself: a defect, which no input can cause.
///
/// An error and not a trap, so that each owner decides: the simulator stops and names the step, the
/// node ends itself and is restarted with what the disk holds.
public struct BrokenInvariant: Error, Equatable, Sendable, CustomStringConvertible {
  /// What contradicts what, with the numbers.
  public let description: String

  /// A contradiction in words.
  public init(_ description: String) { self.description = description }
}

/// Throws `BrokenInvariant` unless the condition holds.
@inlinable @inline(__always)
public func require(
  _ condition: Bool, _ description: @autoclosure () -> String
) throws(BrokenInvariant) {
  if !condition { throw BrokenInvariant(description()) }
}
