import FoundationEssentials
import ObjectTier

/// What vLLM's `--kv-transfer-config` has to say for this connector.
public struct ConnectorArguments: Hashable, Sendable {
  /// A directory and how much of it the disk tier may take.
  public struct Disk: Hashable, Sendable {
    /// The store's directory.
    public var path: String
    /// Bytes of the tier.
    public var capacity: ByteSize

    /// Reads `DIR:SIZE`; the directory may have colons of its own.
    ///
    /// - Throws: What is wrong with it. Nothing on the file system is looked at.
    public init(_ text: String) throws(ConfigurationError) {
      guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
        !text[text.index(after: colon)...].contains("/")
      else {
        throw Self.refusal(text, "DIR:SIZE, as in \"/var/cache/kvbm:200GiB\"")
      }
      let size = String(text[text.index(after: colon)...])
      guard let capacity = ByteSize(size) else {
        throw Self.refusal(
          text, "DIR:SIZE with a size as in \"200GiB\" or \"2TB\", which \"\(size)\" is not")
      }
      guard capacity.bytes >= NodeConfiguration.capacityBytesMin else {
        throw Self.refusal(
          text, "DIR:SIZE of at least \(ByteSize(bytes: NodeConfiguration.capacityBytesMin))")
      }
      path = String(text[..<colon])
      self.capacity = capacity
    }

    private static func refusal(_ value: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(key: "--disk", value: value, remedy: remedy)
    }
  }

  /// The host tier; nil leaves it to the connector's default.
  public var host: ByteSize?
  /// The disk tier, if there is one.
  public var disk: Disk?
  /// The object store that nodes share, if there is one.
  public var objectURL: String?
  /// Where keys are that protect objects: a file, or `env:NAME`; nil leaves it to a variable.
  public var keys: String?
  /// A node that somebody else runs, as `unix:/path`.
  public var node: String?
  /// What names the weights instead of a digest.
  public var weightsID: String?

  /// Everything left to the connector.
  public init() {}

  /// Checks what the connector would refuse.
  ///
  /// - Throws: The first setting that cannot be.
  public func validate() throws(ConfigurationError) {
    if let host, host.bytes < NodeConfiguration.capacityBytesMin {
      throw ConfigurationError(
        key: "--host", value: host.exactText,
        remedy: "at least \(ByteSize(bytes: NodeConfiguration.capacityBytesMin)), as in \"20GiB\"")
    }
    if weightsID == "" {
      throw ConfigurationError(key: "--weights-id", value: "", remedy: "a text that is not empty")
    }
    if let objectURL, (try? ObjectLocation(url: objectURL)) == nil {
      throw ConfigurationError(
        key: "--object", value: objectURL, remedy: "file:///directory or s3://bucket/prefix")
    }
    guard let node else { return }
    guard node.hasPrefix("unix:/"), node.utf8.count > "unix:/".utf8.count else {
      throw ConfigurationError(
        key: "--node", value: node, remedy: "\"unix:\" and an absolute path")
    }
    if host != nil || disk != nil || objectURL != nil || keys != nil {
      throw ConfigurationError(
        key: "--node", value: node,
        remedy: "alone: the running node has its own tiers; leave --host, --disk, --object and "
          + "--keys out")
    }
  }

  /// The JSON on one line, what vLLM itself reads first.
  public var json: String {
    var extra: [String] = []
    if let host { extra.append("\"host\":{\"capacity\":\(Self.quoted(host.exactText))}") }
    if let disk {
      extra.append(
        "\"disk\":{\"path\":\(Self.quoted(disk.path)),"
          + "\"capacity\":\(Self.quoted(disk.capacity.exactText))}")
    }
    if let objectURL { extra.append("\"object\":{\"url\":\(Self.quoted(objectURL))}") }
    if let keys { extra.append("\"keys\":\(Self.quoted(keys))") }
    if let node { extra.append("\"node\":\(Self.quoted(node))") }
    if let weightsID { extra.append("\"weights_id\":\(Self.quoted(weightsID))") }
    return "{\"kv_connector\":\"KVBMConnector\",\"kv_connector_module_path\":\"swift_kvbm.vllm\","
      + "\"kv_role\":\"kv_both\",\"kv_load_failure_policy\":\"recompute\","
      + "\"kv_connector_extra_config\":{\(extra.joined(separator: ","))}}"
  }

  private static func quoted(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
  }
}

extension ConnectorArguments {
  /// What `--host auto` takes of the bytes that are free: half, in whole extents of 64 MiB.
  ///
  /// The other half is for the engine's weights and its own cache, which it may not have yet.
  public static func automaticHost(availableBytes: Int) -> ByteSize? {
    let extent = 64 << 20
    let bytes = availableBytes / 2 / extent * extent
    return bytes > 0 && availableBytes < Int.max ? ByteSize(bytes: bytes) : nil
  }
}

extension ByteSize {
  /// The size to the byte, with the unit that leaves the smallest number: "20GiB", "1500MB".
  public var exactText: String {
    let units = [
      ("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000),
      ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("KB", 1_000),
    ]
    guard bytes > 0, let (unit, factor) = units.first(where: { bytes % $0.1 == 0 }) else {
      return "\(bytes)"
    }
    return "\(bytes / factor)\(unit)"
  }
}
