/// The little of HTTP/1.1 that a scraper needs: one request without a body, one answer.
struct HTTPRequest: Equatable {
  /// Longer requests are refused.
  static let byteCountMax = 8_192

  /// "GET" and the like.
  let method: String
  /// The path that is asked for, without its query.
  let path: String

  /// The request in the bytes that have come so far.
  ///
  /// - Returns: Nil while its head is not complete; a request with an empty method when what came
  ///   is none.
  static func parse(_ bytes: [UInt8]) -> HTTPRequest? {
    guard let end = headEnd(bytes) else { return nil }
    let line = String(decoding: bytes[..<end].prefix { $0 != 13 && $0 != 10 }, as: UTF8.self)
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else {
      return HTTPRequest(method: "", path: "")
    }
    let path = words[1].prefix { $0 != "?" }
    return HTTPRequest(method: String(words[0]), path: String(path))
  }

  /// Where an empty line ends the head; lines may end without a carriage return.
  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    var lineLength = 0
    for (index, byte) in bytes.enumerated() {
      if byte == 10 {
        if lineLength == 0 && index > 0 { return index + 1 }
        lineLength = 0
      } else if byte != 13 {
        lineLength += 1
      }
    }
    return nil
  }

  /// The answer, as it goes out; the connection ends with it.
  static func answer(
    _ status: String, _ body: String, type: String = "text/plain; charset=utf-8",
    hasBody: Bool = true, extra: String = ""
  ) -> [UInt8] {
    let body = Array(body.utf8)
    let head =
      "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n\(extra)"
      + "Connection: close\r\n\r\n"
    return Array(head.utf8) + (hasBody ? body : [])
  }

  /// What the node answers; `metrics` is called for the one path that it has.
  func answer(metrics: () -> String) -> [UInt8] {
    guard !method.isEmpty else { return Self.answer("400 Bad Request", "no HTTP request\n") }
    guard method == "GET" || method == "HEAD" else {
      return Self.answer("405 Method Not Allowed", "only GET\n", extra: "Allow: GET, HEAD\r\n")
    }
    guard path == "/metrics" else { return Self.answer("404 Not Found", "only /metrics\n") }
    return Self.answer(
      "200 OK", metrics(), type: "text/plain; version=0.0.4; charset=utf-8",
      hasBody: method == "GET")
  }
}
