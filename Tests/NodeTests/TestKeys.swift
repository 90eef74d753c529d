import Protection

/// Keys of tests.
enum TestKeys {
  static let first = String(repeating: "1f", count: 32)
  static let second = String(repeating: "2e", count: 32)

  /// Keys between commas, the first protects; nil for none.
  static func ring(_ keys: String?) throws -> KeyRing? {
    try keys.map { try KeyRing(text: Array($0.utf8), source: "a test") }
  }
}
