/// Reads the JSON of one line from left to right, keeping only what is asked for.
///
/// Traces have millions of numbers, and a decoder that makes a tree of each line costs more than
/// their replay.
struct LineScanner {
  /// What the line should have had.
  struct Failure: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private let bytes: ArraySlice<UInt8>
  private var position: Int

  private static let depthMax = 16

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// Whether only blanks are left; commas count as blanks, so that plain lists may have either.
  var isAtEnd: Bool {
    mutating get {
      skipBlanks(andCommas: true)
      return position == bytes.endIndex
    }
  }

  /// Whether a JSON object comes next.
  var isAtObject: Bool { mutating get { next == UInt8(ascii: "{") } }

  /// Calls `body` with each field's name; it must read or skip the value.
  mutating func readObject(
    _ body: (String, inout LineScanner) throws(Failure) -> Void
  ) throws(Failure) {
    try expect("{")
    if take("}") { return }
    repeat {
      let name = try readString()
      try expect(":")
      try body(name, &self)
    } while take(",")
    try expect("}")
  }

  /// Calls `body` before each element; it must read or skip it.
  mutating func readArray(_ body: (inout LineScanner) throws(Failure) -> Void) throws(Failure) {
    try expect("[")
    if take("]") { return }
    repeat { try body(&self) } while take(",")
    try expect("]")
  }

  /// A whole number, at most 18 digits.
  mutating func readInteger() throws(Failure) -> Int {
    let first = next
    let isNegative = first == UInt8(ascii: "-")
    if isNegative { position += 1 }
    let start = position
    var number = 0
    while position < bytes.endIndex, let digit = Self.digit(bytes[position]) {
      guard position - start < 18 else { throw Failure("a number of more than 18 digits") }
      number = number * 10 + digit
      position += 1
    }
    guard position > start else { throw unexpected("a whole number") }
    return isNegative ? -number : number
  }

  /// A number with or without a fraction.
  mutating func readNumber() throws(Failure) -> Double {
    _ = next
    let text = readText { "+-.0123456789eE".utf8.contains($0) }
    guard let number = Double(text) else { throw unexpected("a number") }
    return number
  }

  /// A string. Escapes stay as they are written: no name or key here has any.
  mutating func readString() throws(Failure) -> String {
    try expect("\"")
    var isEscaped = false
    let text = readText { byte in
      let isInside = byte != UInt8(ascii: "\"") || isEscaped
      isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
      return isInside
    }
    try expect("\"")
    return text
  }

  /// Passes over a value of any kind.
  mutating func skipValue(depth: Int = 0) throws(Failure) {
    guard depth < Self.depthMax else { throw Failure("values nested too deeply") }
    switch next {
    case UInt8(ascii: "{"):
      try readObject { (_, scanner) throws(Failure) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try readArray { (scanner) throws(Failure) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try readString()
    default:
      let text = readText { "+-.".utf8.contains($0) || Self.isLetterOrDigit($0) }
      let isWord = ["true", "false", "null"].contains(text)
      guard isWord || Double(text) != nil else { throw unexpected("a value") }
    }
  }

  // MARK: Bytes

  /// The next byte that is no blank; nil at the end.
  private var next: UInt8? {
    mutating get {
      skipBlanks(andCommas: false)
      return position < bytes.endIndex ? bytes[position] : nil
    }
  }

  private mutating func skipBlanks(andCommas: Bool) {
    while position < bytes.endIndex {
      switch bytes[position] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
      case UInt8(ascii: ",") where andCommas: position += 1
      default: return
      }
    }
  }

  private mutating func readText(while isPart: (UInt8) -> Bool) -> String {
    let start = position
    while position < bytes.endIndex, isPart(bytes[position]) { position += 1 }
    return String(decoding: (start..<position).map { bytes[$0] }, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte) - 48 : nil
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return digit(byte) != nil || lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard take(character) else { throw unexpected("\"\(character)\"") }
  }

  private func unexpected(_ wanted: String) -> Failure {
    guard position < bytes.endIndex else {
      return Failure("the line ends where \(wanted) should be")
    }
    let found = Unicode.Scalar(bytes[position])
    let column = position - bytes.startIndex + 1
    return Failure("\"\(found)\" in column \(column), where \(wanted) should be")
  }
}
