import ArgumentParser

/// A share in whole hundredths, as people write it: "25%" or "25"; 0 for none.
struct Percent: Hashable {
  let hundredths: Int

  /// What a share must be: the rest of a sentence that begins "it must be".
  static let remedy = "a share from \"0\" to \"100%\", as in \"25%\""

  /// Reads a share; nil for anything else.
  init?(_ text: String) {
    let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
    guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }),
      let hundredths = Int(digits), hundredths <= 100
    else { return nil }
    self.hundredths = hundredths
  }

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> Percent {
    guard let percent = Percent(text) else { throw ValidationError("it must be \(remedy)") }
    return percent
  }

  /// A variable's share; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable(_ name: String) throws -> Percent? {
    guard let text = Environment.text(name) else { return nil }
    guard let percent = Percent(text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return percent
  }
}
