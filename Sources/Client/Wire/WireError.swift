/// What is wrong with bytes that came from the other side. The connection cannot go on.
public enum WireError: Error, Equatable, Sendable {
  /// A message ends before its fields do, or has bytes left over.
  case malformed
  /// A ring's counters or a message's length cannot be.
  case corruptRing
  /// The other side speaks another protocol version.
  case version(UInt32)
}

extension WireError {
  /// The sentence for whoever reads a log, when `theirs` sent a greeting that `mine` cannot read.
  ///
  /// Both as in "the engine's library" and "this node"; `spoken` are the versions of the latter.
  public func sentence(theirs: String, mine: String, spoken: ClosedRange<UInt32>) -> String {
    switch self {
    case .version(let other):
      let versions =
        spoken.count == 1
        ? "version \(spoken.upperBound)" : "versions \(spoken.lowerBound) to \(spoken.upperBound)"
      return
        "\(theirs) speaks version \(other) of the protocol, \(mine) \(versions); use one release "
        + "of swift-kvbm for both"
    case .malformed, .corruptRing:
      return "\(mine) cannot read the greeting of \(theirs): \(self)"
    }
  }
}
