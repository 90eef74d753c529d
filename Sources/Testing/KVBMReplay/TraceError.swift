/// A line of a trace that cannot be read.
public struct TraceError: Error, Equatable, CustomStringConvertible {
  /// Counted from 1.
  public let line: Int
  /// What is wrong with it, and what would be right.
  public let reason: String

  /// What is wrong with a line.
  public init(line: Int, reason: String) {
    self.line = line
    self.reason = reason
  }

  /// `line: reason`, to be written behind a file's name and a colon.
  public var description: String { "\(line): \(reason)" }
}
