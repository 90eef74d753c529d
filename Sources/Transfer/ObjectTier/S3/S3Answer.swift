/// What a server has answered to one request so far.
struct S3Answer {
  /// What our objects say that they are; an error's page says something else.
  static let contentType = "application/x-kvbm-block"
  /// Enough for the code of an error.
  private static let textBytesMax = 8_192

  /// Of HTTP; 0 before there is one.
  private(set) var status = 0
  /// Nil where the server does not say it.
  private(set) var contentLength: Int?
  /// Lower-case, without parameters.
  private(set) var contentType = ""
  /// Where the bucket is, if the server says it.
  private(set) var region: String?
  /// The server's clock, as it says it.
  private(set) var date = ""
  /// Bytes of an object that arrived.
  private(set) var objectBytes = 0
  /// The beginning of any other body.
  private(set) var text: [UInt8] = []

  /// Takes one line of a head.
  mutating func receive(line bytes: UnsafeRawBufferPointer) {
    let line = String(decoding: bytes.prefix(1_024), as: UTF8.self)
    if line.hasPrefix("HTTP/") {
      // A new head: what was before it was provisional.
      self = S3Answer()
      let parts = line.split(separator: " ")
      status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
      return
    }
    guard let colon = line.firstIndex(of: ":") else { return }
    let value = line[line.index(after: colon)...].drop { $0 == " " }.prefix { !$0.isNewline }
    switch line[..<colon].lowercased() {
    case "content-length": contentLength = Int(value)
    case "content-type": contentType = value.prefix { $0 != ";" && $0 != " " }.lowercased()
    case "x-amz-bucket-region": region = Self.harmless(value)
    case "date": date = Self.harmless(value)
    default: break
    }
  }

  /// Takes a part of a body, into `memory` if it is an object's; false ends the transfer.
  mutating func receive(
    body bytes: UnsafeRawBufferPointer, into memory: UnsafeMutableRawBufferPointer?
  ) -> Bool {
    guard let memory, status == 200 else {
      text += bytes.prefix(Self.textBytesMax - text.count)
      return text.count < Self.textBytesMax
    }
    guard isObject(byteCount: memory.count), objectBytes + bytes.count <= memory.count else {
      return false
    }
    if let first = bytes.baseAddress {
      (memory.baseAddress! + objectBytes).copyMemory(from: first, byteCount: bytes.count)
    }
    objectBytes += bytes.count
    return true
  }

  /// Whether the head is that of an object of ours, of this length as far as it says.
  func isObject(byteCount: Int) -> Bool {
    contentType == Self.contentType && (contentLength ?? byteCount) == byteCount
  }

  /// The error's code in the text, as `NoSuchKey`; empty without one.
  var code: String {
    let text = String(decoding: text, as: UTF8.self)
    guard let start = text.firstRange(of: "<Code>"),
      let end = text[start.upperBound...].firstRange(of: "</Code>")
    else { return "" }
    return Self.harmless(text[start.upperBound..<end.lowerBound])
  }

  /// Whether a body is that of an error, whatever the status says.
  var isErrorText: Bool { String(decoding: text, as: UTF8.self).contains("<Error>") }

  /// What a stranger wrote, fit for a log.
  private static func harmless(_ text: Substring) -> String {
    String(
      text.unicodeScalars.prefix(64).map { scalar in
        scalar.isASCII && scalar.value > 31 && scalar.value < 127 ? Character(scalar) : "?"
      })
  }
}
