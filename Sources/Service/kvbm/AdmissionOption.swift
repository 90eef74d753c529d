import ArgumentParser
import BlockPolicy

/// How admission policies are written in flags and variables.
extension AdmissionChoice {
  /// What a policy's name must be: the rest of a sentence that begins "it must be".
  static let remedy =
    "\"all\", \"seen-twice\", or \"priority:N\" with N from 1 to 100"

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> AdmissionChoice {
    guard let choice = AdmissionChoice(rawValue: text) else {
      throw ValidationError("it must be \(remedy)")
    }
    return choice
  }

  /// A variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable(_ name: String) throws -> AdmissionChoice? {
    guard let text = Environment.text(name) else { return nil }
    guard let choice = AdmissionChoice(rawValue: text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return choice
  }
}
