import ArgumentParser
import BlockEngine
import BlockPolicy
import DiskTier
import Glibc
import KVBMNode
import Synchronization

/// Runs a node until it is told to stop, or its last engine goes.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run a node: host memory, disk and object store for the engines of this machine.",
    discussion: """
      Engines attach over the socket. Every flag has a variable: --host-capacity is \
      KVBM_HOST_CAPACITY; a flag wins. Sizes are written "512MiB", "20GB" or as a count of bytes.
      """)

  /// What is not given falls back to its variable, then to its default.
  @Option(help: "The Unix socket to listen at. [KVBM_SOCKET]")
  var socket: String?

  @Option(
    help: "Size of the host tier (G2), or \"auto\" for half of what is free. [KVBM_HOST_CAPACITY]",
    transform: HostCapacity.parse)
  var hostCapacity: HostCapacity?

  @Option(
    help: "Memory to leave to the machine and the cgroup. [KVBM_HOST_RESERVE]",
    transform: ByteSize.parse)
  var hostReserve: ByteSize?

  @Option(
    help: """
      What leaves the full host tier: \(EvictionChoice.names). [KVBM_HOST_EVICTION]
      """)
  var hostEviction: EvictionChoice?

  @Option(
    help: "What comes into the host tier: \(AdmissionChoice.remedy). [KVBM_HOST_ADMISSION]",
    transform: AdmissionChoice.parse)
  var hostAdmission: AdmissionChoice?

  @Option(help: "Directory of the disk tier (G3). [KVBM_DISK_PATH]")
  var diskPath: String?

  @Option(help: "Size of the disk tier. [KVBM_DISK_CAPACITY]", transform: ByteSize.parse)
  var diskCapacity: ByteSize?

  @Option(help: "What leaves the full disk tier, likewise. [KVBM_DISK_EVICTION]")
  var diskEviction: EvictionChoice?

  @Option(
    help: "What of it is written to disk: \(AdmissionChoice.remedy). [KVBM_DISK_ADMISSION]",
    transform: AdmissionChoice.parse)
  var diskAdmission: AdmissionChoice?

  @Option(
    help: "What may be written to disk in a day, 0 for any. [KVBM_DISK_WRITE_BUDGET]",
    transform: ByteSize.parse)
  var diskWriteBudget: ByteSize?

  @Option(
    help: "Who reads and writes the disk: \(DiskOptions.Driver.remedy). [KVBM_DISK_DRIVER]",
    transform: DiskOptions.Driver.parse)
  var diskDriver: DiskOptions.Driver?

  @Option(
    help: "Flush what is written, \(DiskOptions.Flush.remedy). [KVBM_DISK_FLUSH]",
    transform: DiskOptions.Flush.parse)
  var diskFlush: DiskOptions.Flush?

  @Option(help: "Threads that read, write and check. [KVBM_DISK_THREADS]")
  var diskThreads: Int?

  @Option(help: "Reads that io_uring has with the disk at a time. [KVBM_DISK_QUEUE_DEPTH]")
  var diskQueueDepth: Int?

  @Option(
    help: "Whether slots on disk are encrypted: \(Encryption.remedy). [KVBM_DISK_ENCRYPTION]",
    transform: Encryption.parse)
  var diskEncryption: Encryption?

  @Option(help: "Keys that protect blocks on disk and objects: a file, or env:NAME. [KVBM_KEYS]")
  var keys: String?

  @OptionGroup
  var object: ObjectOptions

  @Option(help: "Milliseconds a request waits for blocks from disk. [KVBM_STAGING_TIMEOUT]")
  var stagingTimeout: Int?

  @Option(
    help: "\"measured\": load only what is faster than computing it; or \"always\". [KVBM_LOAD]")
  var load: String?

  @Option(
    help: "Share of a tier that requests may call worth more. [KVBM_RETENTION_SHARE]",
    transform: Percent.parse)
  var retentionShare: Percent?

  @Option(
    help: "Share of host memory that requests may pin. [KVBM_RETENTION_PINS]",
    transform: Percent.parse)
  var retentionPins: Percent?

  @Option(
    help: """
      What tenants may have of the tiers, as JSON: '{"acme": {"host_share": "30%"}}'. \
      [KVBM_TENANTS]
      """)
  var tenants: String?

  @Option(help: "Seconds to stay after an engine went without goodbye. [KVBM_LINGER]")
  var linger: Int?

  @Option(help: "Seconds that a stop waits for writes to disk. [KVBM_DRAIN_TIMEOUT]")
  var drainTimeout: Int?

  @Option(
    help: "Answer GET /metrics at unix:/PATH or HOST:PORT; off otherwise. [KVBM_METRICS]")
  var metrics: String?

  @Flag(help: "End with the last engine, as a node that an engine started does.")
  var parentStarted = false

  @Flag(help: "Write messages as JSON, one object a line.")
  var json = false

  /// Serves until the node ends.
  ///
  /// - Throws: Exit 64 for a wrong setting, otherwise `NodeError.exitCode`; the reason is in the
  ///   log.
  func run() throws {
    NodeLog.isJSON.store(json, ordering: .relaxed)
    let configuration = try resolved()
    do throws(NodeError) {
      let node = try Node(configuration)
      try node.run()
    } catch {
      NodeLog.error(error.description)
      throw ExitCode(error.exitCode)
    }
  }

  /// Flags, then variables, then defaults.
  private func resolved() throws -> NodeConfiguration {
    let path = diskPath ?? Environment.text("KVBM_DISK_PATH")
    let capacity = try diskCapacity ?? Environment.byteSize("KVBM_DISK_CAPACITY")
    var disk: NodeConfiguration.Disk?
    switch (path, capacity) {
    case (let path?, let capacity?):
      disk = NodeConfiguration.Disk(path: path, capacityBytes: capacity.bytes)
    case (nil, nil): break
    case (_?, nil):
      throw ValidationError("--disk-path needs --disk-capacity, \(ByteSize.remedy)")
    case (nil, _?):
      throw ValidationError("--disk-capacity needs --disk-path, the path of a directory")
    }
    if disk == nil, diskEviction != nil {
      throw ValidationError("--disk-eviction needs --disk-path, the path of a directory")
    }
    if let driver = try diskDriver ?? DiskOptions.Driver.variable("KVBM_DISK_DRIVER") {
      disk?.driver = driver
    }
    if let flush = try diskFlush ?? DiskOptions.Flush.variable("KVBM_DISK_FLUSH") {
      disk?.flush = flush
    }
    if let threads = try diskThreads ?? Environment.integer("KVBM_DISK_THREADS") {
      disk?.threadCount = threads
    }
    if let depth = try diskQueueDepth ?? Environment.integer("KVBM_DISK_QUEUE_DEPTH") {
      disk?.queueDepth = depth
    }
    if let choice = try diskEncryption ?? Encryption.variable("KVBM_DISK_ENCRYPTION") {
      disk?.encryption = choice.form
    }
    if let choice = try diskAdmission ?? AdmissionChoice.variable("KVBM_DISK_ADMISSION") {
      disk?.admission = choice
    }
    let writeBudget = try diskWriteBudget ?? Environment.byteSize("KVBM_DISK_WRITE_BUDGET")
    if let bytes = writeBudget?.bytes, bytes > 0 { disk?.writeBudgetBytes = bytes }
    guard let host = try hostCapacity ?? HostCapacity.variable() else {
      throw ValidationError("--host-capacity is missing; it must be \(HostCapacity.remedy)")
    }
    let reserve = try hostReserve ?? Environment.byteSize("KVBM_HOST_RESERVE")
    let reserveBytes = reserve?.bytes ?? NodeConfiguration.hostReserveBytesDefault
    var configuration = NodeConfiguration(
      socketPath: Environment.socketPath(socket),
      hostCapacityBytes: try host.resolved(reserveBytes: reserveBytes).bytes, disk: disk)
    configuration.hostReserveBytes = reserveBytes
    configuration.keys = try Keys.read(keys)
    configuration.object = try object.resolved()
    if let choice = try hostEviction ?? Environment.eviction("KVBM_HOST_EVICTION") {
      configuration.eviction.host = choice
    }
    if let choice = try diskEviction ?? Environment.eviction("KVBM_DISK_EVICTION") {
      configuration.eviction.disk = choice
    }
    if let choice = try hostAdmission ?? AdmissionChoice.variable("KVBM_HOST_ADMISSION") {
      configuration.hostAdmission = choice
    }
    if let seconds = try linger ?? Environment.integer("KVBM_LINGER") {
      configuration.lingerSeconds = seconds
    }
    if let milliseconds = try stagingTimeout ?? Environment.integer("KVBM_STAGING_TIMEOUT") {
      configuration.stagingMilliseconds = milliseconds
    }
    if let seconds = try drainTimeout ?? Environment.integer("KVBM_DRAIN_TIMEOUT") {
      configuration.drainSeconds = seconds
    }
    if let word = load ?? Environment.text("KVBM_LOAD") {
      guard let decision = LoadDecision(rawValue: word) else {
        throw ValidationError("load is \"\(word)\"; it must be \"measured\" or \"always\"")
      }
      configuration.loadDecision = decision
    }
    if let share = try retentionShare ?? Percent.variable("KVBM_RETENTION_SHARE") {
      configuration.retentionPercent = share.hundredths
    }
    if let pins = try retentionPins ?? Percent.variable("KVBM_RETENTION_PINS") {
      configuration.pinPercent = pins.hundredths
    }
    if let json = tenants ?? Environment.text("KVBM_TENANTS") {
      do throws(ConfigurationError) {
        configuration.tenants = try TenantSettings(json: json)
      } catch {
        throw ValidationError(error.description)
      }
    }
    configuration.endsWithLastEngine = parentStarted
    if let root = Environment.text("KVBM_TEST_SYSTEM_ROOT") { configuration.systemRoot = root }
    do throws(ConfigurationError) {
      configuration.metrics =
        try (metrics ?? Environment.text("KVBM_METRICS")).map(MetricsAddress.init)
    } catch {
      throw ValidationError(error.description)
    }
    do throws(ConfigurationError) {
      try configuration.validate()
    } catch {
      throw ValidationError(error.description)
    }
    return configuration
  }
}
