import ArgumentParser
import DiskTier

/// A disk option of a few words, in flags and variables.
protocol DiskChoice: RawRepresentable<String> {
  /// What it must be: the rest of a sentence that begins "it must be".
  static var remedy: String { get }
}

extension DiskChoice {
  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> Self {
    guard let choice = Self(rawValue: text) else {
      throw ValidationError("it must be \(remedy)")
    }
    return choice
  }

  /// A variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable(_ name: String) throws -> Self? {
    guard let text = Environment.text(name) else { return nil }
    guard let choice = Self(rawValue: text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return choice
  }
}

extension DiskOptions.Driver: DiskChoice {
  /// The drivers.
  static let remedy = "\"auto\", \"io_uring\" or \"threads\""
}

extension DiskOptions.Flush: DiskChoice {
  /// When a write is flushed.
  static let remedy = "\"never\" or \"each\""
}
