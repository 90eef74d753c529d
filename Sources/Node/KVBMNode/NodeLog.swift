import FoundationEssentials
import Glibc
import Synchronization

/// Lines for whoever runs the node, on standard error: time, level, message. Any thread may write.
public enum NodeLog {
  /// Whether each line is a JSON object; set before the first one is written.
  public static let isJSON = Atomic<Bool>(false)

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
    let text =
      isJSON.load(ordering: .relaxed)
      ? Line(time: time, level: level.rawValue, pid: getpid(), message: message).json
      : "\(time) \(level.rawValue) kvbm[\(getpid())] \(message)"
    let line = Array((text + "\n").utf8)
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Writes a line about the normal course.
  public static func info(_ message: String) { write(.info, message) }
  /// Writes a line about what is less than was asked for.
  public static func warning(_ message: String) { write(.warning, message) }
  /// Writes a line about why the node or the command ends.
  public static func error(_ message: String) { write(.error, message) }

  private struct Line: Encodable {
    let time: String
    let level: String
    let pid: pid_t
    let message: String

    var json: String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? message
    }
  }

  private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
