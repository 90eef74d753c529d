/// The file that says: this directory is a store, of this format. `kvbm-store.json`.
struct StoreMarker: Hashable, Sendable {
  /// The newest form of a store's directory that this version reads and writes.
  static let formatKnown = 1

  /// Of the directory; slots have a version of their own.
  var format: Int
  /// 32 hexadecimal digits, drawn at random.
  var storeID: String

  /// A new store's.
  static func new() -> StoreMarker {
    var generator = SystemRandomNumberGenerator()
    var id = ""
    for _ in 0..<32 { id += String(UInt8.random(in: 0..<16, using: &generator), radix: 16) }
    return StoreMarker(format: formatKnown, storeID: id)
  }

  /// The file's bytes.
  var json: [UInt8] { Array("{\"format\": \(format), \"store\": \"\(storeID)\"}\n".utf8) }

  /// A marker with these members.
  init(format: Int, storeID: String) {
    self.format = format
    self.storeID = storeID
  }

  /// Nil when the bytes are no object with a format; further members are allowed, of any kind.
  init?(json: [UInt8]) {
    guard let members = TopLevelMembers(json).members,
      let format = members["format"].flatMap({ Int($0) })
    else { return nil }
    self.init(format: format, storeID: members["store"] ?? "")
  }
}

/// The numbers and strings directly inside a JSON object; what is nested further is skipped.
///
/// Enough to read a marker of a later version; escapes in strings are kept as they are.
package struct TopLevelMembers {
  /// By name; nil when the bytes are no object.
  package private(set) var members: [String: String]? = [:]

  /// Reads bytes that may be anything.
  package init(_ json: [UInt8]) {
    var depth = 0
    var name: String?
    var isValue = false
    var index = 0
    while index < json.count {
      let byte = json[index]
      index += 1
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ":") where depth == 1: isValue = true
      case UInt8(ascii: ",") where depth == 1: (name, isValue) = (nil, false)
      case UInt8(ascii: "\""):
        let end = Self.endOfString(json, from: index)
        let text = String(decoding: json[index..<end], as: UTF8.self)
        index = min(end + 1, json.count)
        guard depth == 1 else { break }
        if isValue, let key = name { members?[key] = text } else { name = text }
      case UInt8(ascii: "0")...UInt8(ascii: "9") where depth == 1 && isValue:
        let rest = json[(index - 1)...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0 }
        index = rest.endIndex
        if let key = name { members?[key] = String(decoding: rest, as: UTF8.self) }
      default: break
      }
    }
    if depth != 0 || json.first(where: { $0 > 32 }) != UInt8(ascii: "{") { members = nil }
  }

  private static func endOfString(_ json: [UInt8], from start: Int) -> Int {
    var index = start
    while index < json.count && json[index] != UInt8(ascii: "\"") {
      index += json[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(index, json.count)
  }
}
