import BlockEngine
import DiskTier
import KVLayout
import Protection
import Wire

/// Everything that a node is told at its start.
public struct NodeConfiguration: Sendable {
  /// The Unix socket that engines attach to; made private to this user.
  public var socketPath: String
  /// Bytes of the host tier (G2).
  public var hostCapacityBytes: Int
  /// What comes into the host tier.
  public var hostAdmission = AdmissionChoice.all
  /// The disk tier (G3), if there is one.
  public var disk: Disk?
  /// What protects slots outside host memory, and reveals them; nil where nothing is protected.
  public var keys: KeyRing?
  /// The object store (G4) that it shares with other nodes, if there is one.
  public var object: Object?
  /// What leaves each tier when it is full.
  public var eviction = Eviction()
  /// Bytes of memory that are left to the machine and the cgroup.
  public var hostReserveBytes = 256 << 20
  /// Where metrics are to be had over HTTP, if anywhere.
  public var metrics: MetricsAddress?
  /// Where the kernel's accounts of memory, `proc` and `sys`, are looked up: "/" but in tests.
  public var systemRoot = "/"
  /// Whether the node goes away with its last engine, as one that an engine started does.
  public var endsWithLastEngine = false
  /// How long it stays after its last engine went without a goodbye, so that a restarted one finds
  /// it warm.
  public var lingerSeconds = 60
  /// How long a request waits for blocks from disk before the rest is computed.
  public var stagingMilliseconds = 2_000
  /// Whether what is there is loaded though computing it would be faster.
  public var loadDecision = LoadDecision.always
  /// What may be worth more than others by requests' word, and what may be pinned by it, in
  /// hundredths of a tier; 0 for nothing.
  public var retentionPercent = 25
  public var pinPercent = 10
  /// What tenants may have of the tiers; nil where all blocks are alike.
  public var tenants: TenantSettings?
  /// How long a stop waits for blocks on their way to disk.
  public var drainSeconds = 30

  /// The disk tier's part.
  public struct Disk: Sendable {
    /// The store's directory; made when it is not there.
    public var path: String
    /// Bytes that all extents together may have, headers included.
    public var capacityBytes: Int
    /// Who reads and writes.
    public var driver = DiskOptions.Driver.auto
    /// When a written block counts as durable.
    public var flush = DiskOptions.Flush.never
    /// Threads that read, write and check what was read, 1 to 64.
    public var threadCount = 2
    /// Reads that are with the device at a time, 1 to 1024.
    public var queueDepth = 32
    /// What of the host tier is written to disk.
    public var admission = AdmissionChoice.all
    /// What is done to slots on disk: `plain` or `encrypted`.
    public var encryption = SlotProtection.Form.plain
    /// Bytes that may be written in a day; nil without a limit.
    public var writeBudgetBytes: Int?

    /// A disk tier with two threads that takes everything.
    public init(path: String, capacityBytes: Int) {
      self.path = path
      self.capacityBytes = capacityBytes
    }
  }

  /// A configuration with every other setting at its default.
  public init(socketPath: String, hostCapacityBytes: Int, disk: Disk? = nil) {
    self.socketPath = socketPath
    self.hostCapacityBytes = hostCapacityBytes
    self.disk = disk
  }

  /// How slots on disk are encrypted, and with which key; nil where they are not.
  var diskEncryption: String? {
    guard let disk, disk.encryption != .plain, let keys else { return nil }
    return "\(disk.encryption.rawValue), \(SlotProtection.text(ofKey: keys.current.id))"
  }

  /// Fewer bytes hold not even a few blocks of any model worth serving.
  public static let capacityBytesMin = 1 << 20

  /// A smaller budget would let in less than a block an hour of some models.
  public static let writeBudgetBytesMin = 1 << 30

  /// Checks what can be checked without touching anything.
  ///
  /// - Throws: The first setting that cannot be.
  public func validate() throws(ConfigurationError) {
    let pathBytes = socketPath.utf8.count
    guard pathBytes > 0, pathBytes <= UnixSocket.pathBytesMax else {
      throw ConfigurationError(
        key: "socket", value: socketPath,
        remedy: "a path of 1 to \(UnixSocket.pathBytesMax) bytes; this one has \(pathBytes)")
    }
    try Self.checkCapacity("host.capacity", hostCapacityBytes)
    if let disk {
      try Self.checkCapacity("disk.capacity", disk.capacityBytes)
      guard !disk.path.isEmpty else {
        throw ConfigurationError(key: "disk.path", value: "", remedy: "the path of a directory")
      }
      try Self.checkCount("disk.threads", disk.threadCount, 1...64)
      try Self.checkCount("disk.queue_depth", disk.queueDepth, 1...1_024)
      if disk.encryption != .plain, keys == nil {
        throw ConfigurationError(
          key: "disk.encryption", value: disk.encryption.rawValue,
          remedy: "\"none\" without keys; name a file of keys in `keys`, which `kvbm keygen` makes")
      }
      if let bytes = disk.writeBudgetBytes, bytes < Self.writeBudgetBytesMin {
        throw ConfigurationError(
          key: "disk.write_budget", value: ByteSize(bytes: bytes).description,
          remedy: "at least \(ByteSize(bytes: Self.writeBudgetBytesMin)) a day, or absent")
      }
    }
    if let object { try object.validate(keys) }
    try Self.checkCount("linger", lingerSeconds, 0...86_400)
    try Self.checkCount("staging-timeout", stagingMilliseconds, 0...600_000)
    try Self.checkCount("drain-timeout", drainSeconds, 0...3_600)
    try Self.checkCount("retention.share", retentionPercent, 0...100)
    try Self.checkCount("retention.pins", pinPercent, 0...100)
  }

  /// - Throws: Where a tier would be too small for anything.
  static func checkCapacity(_ key: String, _ bytes: Int) throws(ConfigurationError) {
    guard bytes >= capacityBytesMin else {
      throw ConfigurationError(
        key: key, value: ByteSize(bytes: bytes).description,
        remedy: "at least \(ByteSize(bytes: capacityBytesMin)), as in \"20GiB\"")
    }
  }

  /// - Throws: Where a number is out of its range.
  static func checkCount(
    _ key: String, _ value: Int, _ range: ClosedRange<Int>
  ) throws(ConfigurationError) {
    guard range.contains(value) else {
      throw ConfigurationError(
        key: key, value: String(value), remedy: "\(range.lowerBound) to \(range.upperBound)")
    }
  }
}

/// A setting that cannot be, with what would be right.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The setting's name, as in "host.capacity".
  public let key: String
  /// What it was set to, as people write it.
  public let value: String
  /// What it must be: the rest of a sentence that begins "it must be".
  public let remedy: String

  /// An error of these parts.
  public init(key: String, value: String, remedy: String) {
    self.key = key
    self.value = value
    self.remedy = remedy
  }

  /// One sentence with all three.
  public var description: String { "\(key) is \"\(value)\"; it must be \(remedy)" }
}
