/// What one check found, with what to do about it.
public struct Finding: Hashable, Sendable, Encodable {
  /// How much it matters; the raw value is what is printed.
  public enum Level: String, Sendable, Encodable {
    /// As it should be.
    case fine = "OK"
    /// It works, slower or with less than it could.
    case warning = "WARN"
    /// It does not work.
    case failure = "FAIL"
  }

  /// What was looked at: "open files".
  public let check: String
  /// How much it matters.
  public let level: Level
  /// What was found, with the numbers.
  public let text: String
  /// What to do; nil where nothing needs to be done.
  public let remedy: String?

  /// Nothing needs to be done.
  public static func fine(_ check: String, _ text: String) -> Finding {
    Finding(check: check, level: .fine, text: text, remedy: nil)
  }

  /// It works, slower or with less than it could.
  public static func warning(_ check: String, _ text: String, remedy: String) -> Finding {
    Finding(check: check, level: .warning, text: text, remedy: remedy)
  }

  /// It does not work.
  public static func failure(_ check: String, _ text: String, remedy: String) -> Finding {
    Finding(check: check, level: .failure, text: text, remedy: remedy)
  }

  /// One line: level, check, what was found, what to do.
  public var line: String {
    let start = pad(level.rawValue, 4) + "  " + pad(check, 17) + "  " + text
    return remedy.map { "\(start). \($0)." } ?? start
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
