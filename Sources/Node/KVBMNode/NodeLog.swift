import Glibc

/// Lines for whoever runs the node, on standard error: time, level, message.
public enum NodeLog {
  /// How much a line matters; the raw value is what it says.
  public enum Level: String, Sendable {
    /// What happens in the normal course.
    case info = "INFO"
    /// Something is refused, lost or less than was asked for; the node goes on.
    case warning = "WARNING"
    /// The node or the command ends.
    case error = "ERROR"
  }

  /// Writes one line, whole.
  public static func write(_ level: Level, _ message: String) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    let milliseconds = now.tv_nsec / 1_000_000
    let time =
      "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))."
      + (milliseconds < 100 ? (milliseconds < 10 ? "00" : "0") : "") + "\(milliseconds)Z"
    let line = Array("\(time) \(level.rawValue) kvbm[\(getpid())] \(message)\n".utf8)
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Writes a line about the normal course.
  public static func info(_ message: String) { write(.info, message) }
  /// Writes a line about what is less than was asked for.
  public static func warning(_ message: String) { write(.warning, message) }
  /// Writes a line about why the node or the command ends.
  public static func error(_ message: String) { write(.error, message) }

  private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
