/// What is wrong with bytes that came from the other side. The connection cannot go on.
public enum WireError: Error, Equatable, Sendable {
  /// A message ends before its fields do, or has bytes left over.
  case malformed
  /// A ring's counters or a message's length cannot be.
  case corruptRing
  /// The other side speaks another protocol version.
  case version(UInt32)
}
