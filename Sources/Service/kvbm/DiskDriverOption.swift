import ArgumentParser
import DiskTier

/// How disk drivers are written in flags and variables.
extension DiskOptions.Driver {
  /// What a driver's name must be: the rest of a sentence that begins "it must be".
  static let remedy = "\"auto\", \"io_uring\" or \"threads\""

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> DiskOptions.Driver {
    guard let driver = DiskOptions.Driver(rawValue: text) else {
      throw ValidationError("it must be \(remedy)")
    }
    return driver
  }

  /// A variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable(_ name: String) throws -> DiskOptions.Driver? {
    guard let text = Environment.text(name) else { return nil }
    guard let driver = DiskOptions.Driver(rawValue: text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return driver
  }
}
