/// Look-ups in a model's configuration, under each of the names that a number goes by.
///
/// A key of the nested language model wins over the same key outside of it; null is not there.
struct ConfigKeys {
  private let inner: [String: JSONValue]
  private let outer: [String: JSONValue]

  /// No model has more of anything that is counted here; products of a few stay in range.
  private static let countMax = 1 << 24
  /// Where multimodal models keep their language model.
  private static let nests = ["text_config", "llm_config", "language_config", "language_model"]

  /// The keys of a document.
  init(_ document: [String: JSONValue]) {
    outer = document
    inner = Self.nests.lazy.compactMap { document[$0]?.members }.first ?? [:]
  }

  private func value(_ key: String) -> JSONValue? {
    for place in [inner, outer] {
      if let value = place[key], value != .null { return value }
    }
    return nil
  }

  /// Whether a key has a value that is not null.
  func isSet(_ key: String) -> Bool { value(key) != nil }

  /// The first of the keys that holds a text.
  func text(_ names: String...) -> String? {
    for name in names {
      if case .text(let text) = value(name) { return text }
    }
    return nil
  }

  /// A key's truth value; nil where it has none.
  func flag(_ key: String) -> Bool? {
    if case .bool(let flag) = value(key) { flag } else { nil }
  }

  /// A list's texts; nil where the key holds none.
  func texts(_ key: String) -> [String]? {
    guard case .list(let list) = value(key) else { return nil }
    return list.map { if case .text(let text) = $0 { text } else { "\($0)" } }
  }

  /// The first of the keys that is there, or an error that names the first key.
  func count(_ names: String...) throws(ModelConfigError) -> Int {
    guard let count = try first(of: names) else { throw .missing(names[0]) }
    return count
  }

  /// The first of the keys that is there; zero counts as not there.
  func optionalCount(_ names: String...) throws(ModelConfigError) -> Int? {
    try first(of: names)
  }

  private func first(of names: [String]) throws(ModelConfigError) -> Int? {
    for name in names {
      guard let value = value(name) else { continue }
      guard case .number(let number) = value, number == number.rounded(), number >= 0,
        number <= Double(Self.countMax)
      else {
        throw .wrong(
          key: name, value: "\(value)", remedy: "a whole number from 0 to \(Self.countMax)")
      }
      if number > 0 { return Int(number) }
    }
    return nil
  }
}
