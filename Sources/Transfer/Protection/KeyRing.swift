/// The keys that are at hand: the first protects what is written, every one reveals what was.
///
/// So keys are changed without a gap: a new one is added behind the others everywhere, then moved
/// to the front, and the old one is taken out when nothing is left of it.
public struct KeyRing: Sendable {
  /// All keys, in the order in which they were given.
  public let keys: [SecretKey]

  /// How many keys there may be.
  public static let countMax = 64

  /// The key that protects what is written from now on.
  public var current: SecretKey { keys[0] }

  /// The key of an id, if it is here.
  public func key(_ id: UInt32) -> SecretKey? { keys.first { $0.id == id } }

  /// Reads keys, one a line or between commas: 64 hexadecimal digits, or 32 bytes in Base64. Empty
  /// lines and those that begin with `#` are skipped.
  ///
  /// - Parameter source: where the text is from, for messages; they never quote it.
  /// - Throws: `noKeys`, `tooMany`, `badKey` with the line, `twice`, `noMemory`.
  package init(text: [UInt8], source: String) throws(KeyError) {
    var keys: [SecretKey] = []
    for (index, line) in text.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      guard Self.trimmed(line).first != UInt8(ascii: "#") else { continue }
      for part in line.split(separator: UInt8(ascii: ",")) {
        let word = Self.trimmed(part)
        guard !word.isEmpty else { continue }
        guard keys.count < Self.countMax else { throw .tooMany(source: source) }
        guard let bytes = Self.hexadecimal(word) ?? Self.base64(word) else {
          throw .badKey(source: source, line: index + 1)
        }
        guard let key = bytes.withUnsafeBytes({ SecretKey(bytes: $0) }) else { throw .noMemory }
        guard !keys.contains(where: { $0.id == key.id }) else {
          throw .twice(source: source, line: index + 1)
        }
        keys.append(key)
      }
    }
    guard !keys.isEmpty else { throw .noKeys(source: source) }
    self.keys = keys
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while let first = text.first, first <= 32 { text.removeFirst() }
    while let last = text.last, last <= 32 { text.removeLast() }
    return text
  }

  private static func hexadecimal(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard text.count == 2 * SecretKey.byteCount else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for letter in text {
      guard let digit = Character(UnicodeScalar(letter)).hexDigitValue, letter < 128 else {
        return nil
      }
      if let first = high {
        bytes.append(first << 4 | UInt8(digit))
        high = nil
      } else {
        high = UInt8(digit)
      }
    }
    return bytes
  }

  /// 32 bytes in Base64, of either alphabet, with its padding or without.
  private static func base64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    let digits = text.last == UInt8(ascii: "=") ? text.dropLast() : text
    guard digits.count == 43 else { return nil }
    var bytes: [UInt8] = []
    var (bits, count) = (UInt32(0), 0)
    for letter in digits {
      guard let digit = base64Digit(letter) else { return nil }
      bits = bits << 6 | digit
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
    // Bits that belong to no byte are zero, so that a key has one spelling.
    return bits & (1 << UInt32(count) - 1) == 0 ? bytes : nil
  }

  private static func base64Digit(_ letter: UInt8) -> UInt32? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
