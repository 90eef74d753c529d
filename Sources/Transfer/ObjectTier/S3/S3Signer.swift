import CSHA256
import Glibc

/// Signs requests with AWS's Signature Version 4.
///
/// libcurl signs as well, but not in all releases that are in use in the way that S3 asks for.
struct S3Signer: Sendable {
  /// Who signs.
  let credentials: S3Credentials
  /// For which region.
  let region: String

  /// Names a body that is not signed: objects carry checksums of their own.
  static let unsignedPayload = "UNSIGNED-PAYLOAD"
  /// SHA-256 of no bytes.
  static let emptyPayload = HexText.string(Self.sha256([]))

  /// A moment as requests have it: `20130524T000000Z`.
  static func timestamp(_ unixSeconds: Int) -> String {
    var (seconds, parts) = (time_t(unixSeconds), tm())
    gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))Z"
  }

  /// The value of the Authorization header.
  ///
  /// - Parameters:
  ///   - path: as in the URL; of characters that stand for themselves.
  ///   - headers: all that are signed, with lower-case names in alphabetical order: host,
  ///     x-amz-content-sha256 and x-amz-date at least.
  ///   - payload: the value of x-amz-content-sha256.
  ///   - timestamp: the value of x-amz-date.
  func authorization(
    method: String, path: String, headers: [(name: String, value: String)], payload: String,
    timestamp: String
  ) -> String {
    let names = headers.map(\.name).joined(separator: ";")
    let lines = headers.map { "\($0.name):\($0.value)\n" }.joined()
    let request = "\(method)\n\(path)\n\n\(lines)\n\(names)\n\(payload)"
    let day = String(timestamp.prefix(8))
    let scope = "\(day)/\(region)/s3/aws4_request"
    let digest = HexText.string(Self.sha256(Array(request.utf8)))
    let text = "AWS4-HMAC-SHA256\n\(timestamp)\n\(scope)\n\(digest)"
    var key = Array("AWS4\(credentials.secret)".utf8)
    for part in [day, region, "s3", "aws4_request"] { key = Self.hmac(key, Array(part.utf8)) }
    let signature = HexText.string(Self.hmac(key, Array(text.utf8)))
    return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), "
      + "SignedHeaders=\(names), Signature=\(signature)"
  }

  private static func sha256(_ first: [UInt8], _ second: [UInt8] = []) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    csha256(first, first.count, second, second.count, nil, 0, &digest)
    return digest
  }

  /// HMAC-SHA256 as in RFC 2104.
  private static func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var block = key.count > 64 ? sha256(key) : key
    block += [UInt8](repeating: 0, count: 64 - block.count)
    let inner = sha256(block.map { $0 ^ 0x36 }, message)
    return sha256(block.map { $0 ^ 0x5c }, inner)
  }
}
