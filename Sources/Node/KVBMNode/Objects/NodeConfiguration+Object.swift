import KVLayout
import ObjectTier
import Protection

extension NodeConfiguration {
  /// The object store's part.
  public struct Object: Sendable {
    /// `file:///directory` or `s3://bucket/prefix`.
    public var url: String
    /// Where a bucket is, `https://host:port`; nil for Amazon's.
    public var endpoint: String?
    /// Bytes that all objects of a directory may have, of all nodes together; nil without a limit.
    public var capacityBytes: Int?
    /// After how many days objects of a directory go that nobody used; nil: never.
    public var expireDays: Int?
    /// What is done to objects; others can write where they are, so not nothing unless that is
    /// asked for.
    public var protection = SlotProtection.Form.authenticated
    /// How often a directory is swept at most; other values are for tests.
    var sweepMilliseconds = 60_000

    /// A store without limits.
    public init(url: String) { self.url = url }

    /// What may stay in a directory.
    var limits: ObjectLimits {
      ObjectLimits(ageMaxSeconds: expireDays.map { $0 * 86_400 }, bytesMax: capacityBytes)
    }

    /// What protects objects with these keys; also those that are left plain may be read with them.
    func protector(_ keys: KeyRing?) -> Protector? {
      keys.map { Protector(keys: $0, form: protection) }
    }

    /// Checks what can be checked without touching anything.
    ///
    /// - Throws: The first setting that cannot be.
    func validate(_ keys: KeyRing?) throws(ConfigurationError) {
      try validatePlace()
      guard keys == nil else { return }
      switch protection {
      case .plain: break
      case .authenticated:
        throw ConfigurationError(
          key: "object.authentication", value: "on",
          remedy:
            "\"off\" without keys, which others than nodes could write then; or name a file of "
            + "keys in `keys`, the same on every node, which `kvbm keygen` makes")
      case .encrypted:
        throw ConfigurationError(
          key: "object.encryption", value: protection.rawValue,
          remedy: "\"none\" without keys; name a file of keys in `keys`, the same on every node, "
            + "which `kvbm keygen` makes")
      }
    }

    private func validatePlace() throws(ConfigurationError) {
      guard let location = try? ObjectLocation(url: url) else {
        throw ConfigurationError(
          key: "object.url", value: url, remedy: "file:///directory or s3://bucket/prefix")
      }
      if let capacityBytes { try NodeConfiguration.checkCapacity("object.capacity", capacityBytes) }
      if let expireDays {
        try NodeConfiguration.checkCount("object.expire_days", expireDays, 1...3_650)
      }
      switch location {
      case .bucket: try validateForBucket()
      case .directory:
        guard let endpoint else { return }
        throw ConfigurationError(
          key: "object.endpoint", value: endpoint,
          remedy: "absent where objects are in a directory")
      }
    }

    private func validateForBucket() throws(ConfigurationError) {
      if let endpoint, !S3Settings.isEndpoint(endpoint) {
        throw ConfigurationError(
          key: "object.endpoint", value: endpoint,
          remedy: "https://host[:port] or http://host[:port]")
      }
      let limits = [
        ("object.capacity", capacityBytes.map { ByteSize(bytes: $0).description }),
        ("object.expire_days", expireDays.map { String($0) }),
      ]
      for case (let key, let value?) in limits {
        throw ConfigurationError(
          key: key, value: value,
          remedy: "absent for a bucket: its lifecycle rules decide what stays")
      }
    }
  }
}
