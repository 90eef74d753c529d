import FoundationEssentials

/// Any JSON value: for documents of others, whose keys have several names and kinds.
enum JSONValue: Hashable, Sendable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// - Throws: The decoder's error for what is no JSON.
  init(json: [UInt8]) throws {
    self = try JSONDecoder().decode(JSONValue.self, from: Data(json))
  }

  /// Tries one kind after the other.
  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .list(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// The members of an object; nil for everything else.
  var members: [String: JSONValue]? {
    if case .object(let members) = self { members } else { nil }
  }
}

extension JSONValue: CustomStringConvertible {
  /// The value as it is quoted in a message: scalars whole, the rest by its kind.
  var description: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value): value == value.rounded() ? "\(Int(clamping: value))" : "\(value)"
    case .text(let value): "\"\(value)\""
    case .list: "a list"
    case .object: "an object"
    }
  }
}

extension Int {
  /// The nearest number that fits; 0 for what is none.
  init(clamping value: Double) {
    guard !value.isNaN else {
      self = 0
      return
    }
    self = value >= 9e18 ? .max : value <= -9e18 ? .min : Int(value)
  }
}
