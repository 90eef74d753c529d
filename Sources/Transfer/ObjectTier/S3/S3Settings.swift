/// Where a bucket is, and how it is used.
public struct S3Settings: Sendable {
  /// The bucket's name, as `ObjectLocation` checks it.
  public var bucket: String
  /// What all names begin with; without slashes at either end.
  public var prefix: String
  /// `https://host:port` of a service that is not Amazon's; nil: Amazon's in the region.
  public var endpoint: String?
  /// Nil: of the environment or the profile, else us-east-1.
  public var region: String?
  /// Nil: of the environment or the profile, looked for again when the server denies them.
  public var credentials: S3Credentials?
  /// A file of certificates to trust instead of the system's; nil: that of AWS_CA_BUNDLE, if any.
  public var caFile: String?
  /// Requests at once, 1 to 256.
  public var connectionLimit = 16
  /// Jobs that may wait for an answer, those under way included.
  public var queueLimit = 256
  /// How often a request is sent at most, while there is time.
  public var attemptLimit = 6
  /// libcurl's file name.
  var library = "libcurl.so.4"

  /// Whether a text can be an endpoint.
  public static func isEndpoint(_ text: String) -> Bool { (try? S3Endpoint.parse(text)) != nil }

  /// A bucket with the defaults.
  public init(bucket: String, prefix: String = "") {
    self.bucket = bucket
    self.prefix = prefix
  }
}

/// A bucket's address as requests have it.
struct S3Endpoint: Hashable, Sendable {
  /// `https://host[:port]`.
  let base: String
  /// `host[:port]`, as the Host header has it.
  let host: String
  /// What stands before an object's name, from the first slash on.
  let pathPrefix: String

  /// Amazon's buckets have hosts of their own; elsewhere the bucket is the path's first part, as
  /// also where its name has a point, for which no certificate is made.
  ///
  /// - Throws: `badSetting`.
  init(_ settings: S3Settings, region: String) throws(ObjectError) {
    let prefix = settings.prefix.isEmpty ? "/" : "/\(settings.prefix)/"
    guard let endpoint = settings.endpoint else {
      let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
      let isPath = settings.bucket.contains(".")
      host = "\(isPath ? "" : settings.bucket + ".")s3.\(region).\(domain)"
      base = "https://\(host)"
      pathPrefix = (isPath ? "/" + settings.bucket : "") + prefix
      return
    }
    (base, host) = try Self.parse(endpoint)
    pathPrefix = "/\(settings.bucket)\(prefix)"
  }

  /// A port that is the scheme's own is left out, as in the Host header.
  ///
  /// - Throws: `badSetting`.
  static func parse(_ endpoint: String) throws(ObjectError) -> (String, String) {
    var text = endpoint[...]
    while text.hasSuffix("/") { text.removeLast() }
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")] where text.hasPrefix(scheme) {
      text.removeFirst(scheme.count)
      if text.hasSuffix(port) { text.removeLast(port.count) }
      let isHost = text.utf8.allSatisfy { byte in
        byte > UInt8(ascii: " ") && byte < 127 && !"/?#@\\\"".utf8.contains(byte)
      }
      guard isHost, !text.isEmpty else { break }
      return (scheme + text, String(text))
    }
    throw .badSetting(
      "the endpoint \"\(endpoint)\" must be https://host[:port] or http://host[:port]")
  }
}
