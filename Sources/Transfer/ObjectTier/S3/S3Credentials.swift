import DiskTier
import Glibc

/// Who signs requests.
public struct S3Credentials: Hashable, Sendable {
  /// The public half.
  public var accessKey: String
  /// The secret half; never sent and never printed.
  public var secret: String
  /// Of credentials that expire.
  public var sessionToken: String?

  /// Credentials of two or three parts.
  public init(accessKey: String, secret: String, sessionToken: String? = nil) {
    self.accessKey = accessKey
    self.secret = secret
    self.sessionToken = sessionToken
  }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible {
  /// Without the secret and the token.
  public var description: String { "access key \(accessKey)" }
  /// The same.
  public var debugDescription: String { description }
}

/// What the places say that AWS's own tools look in: the environment, then the profile's files.
struct S3Environment: Sendable {
  /// Nil where none are complete.
  let credentials: S3Credentials?
  /// Nil where none is named.
  let region: String?
  /// Nil for the system's certificates.
  let caFile: String?

  /// Reads the process's environment and the user's files.
  static func read() -> S3Environment {
    S3Environment(
      variable: { name in getenv(name).map { String(cString: $0) }.flatMap(nonEmpty) },
      file: { path in try? Directory.read(path, limit: 1 << 20) })
  }

  /// Looks into an environment and files that are given.
  init(variable: (String) -> String?, file: (String) -> [UInt8]?) {
    let home = variable("HOME") ?? ""
    let profile = variable("AWS_PROFILE") ?? "default"
    let keys = Self.section(
      profile, file(variable("AWS_SHARED_CREDENTIALS_FILE") ?? "\(home)/.aws/credentials"))
    let config = Self.section(
      profile == "default" ? profile : "profile \(profile)",
      file(variable("AWS_CONFIG_FILE") ?? "\(home)/.aws/config"))
    region =
      variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? config["region"]
      ?? keys["region"]
    caFile = variable("AWS_CA_BUNDLE")
    if let key = variable("AWS_ACCESS_KEY_ID"), let secret = variable("AWS_SECRET_ACCESS_KEY") {
      credentials = S3Credentials(
        accessKey: key, secret: secret, sessionToken: variable("AWS_SESSION_TOKEN"))
      return
    }
    let found = keys["aws_access_key_id"] == nil ? config : keys
    if let key = found["aws_access_key_id"], let secret = found["aws_secret_access_key"] {
      credentials = S3Credentials(
        accessKey: key, secret: secret, sessionToken: found["aws_session_token"])
    } else {
      credentials = nil
    }
  }

  private static func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }

  /// The `name = value` lines of a `[section]`; the last of a name counts.
  private static func section(_ wanted: String, _ bytes: [UInt8]?) -> [String: String] {
    var values: [String: String] = [:]
    var isInside = false
    for line in String(decoding: bytes ?? [], as: UTF8.self).split(whereSeparator: \.isNewline) {
      let text = trimmed(line)
      if text.hasPrefix("[") && text.hasSuffix("]") {
        isInside = trimmed(text.dropFirst().dropLast()) == wanted
      } else if isInside, !text.hasPrefix("#"), let equals = text.firstIndex(of: "=") {
        let value = trimmed(text[text.index(after: equals)...])
        if !value.isEmpty { values[trimmed(text[..<equals]).lowercased()] = String(value) }
      }
    }
    return values
  }

  private static func trimmed(_ text: Substring) -> Substring {
    let start = text.drop { $0 == " " || $0 == "\t" }
    let end = start.lastIndex { $0 != " " && $0 != "\t" && $0 != "\r" }
    return end.map { start[...$0] } ?? ""
  }
}
