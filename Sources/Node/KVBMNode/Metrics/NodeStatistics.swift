import BlockEngine
import FoundationEssentials
import Glibc
import Synchronization

/// What a node holds and has done, for people and programs; see docs/operations.md.
public struct NodeStatistics: Codable, Sendable {
  /// Slots of one size in one tier, by their state; together all that the engine has numbers for.
  public struct TierFigures: Codable, Sendable {
    /// "host" or "disk".
    public var tier: String
    /// Bytes of one slot.
    public var slotBytes: Int
    /// Without memory or disk space so far.
    public var absent: Int
    /// With space and without a block.
    public var free: Int
    /// Being written.
    public var filling: Int
    /// Complete and in use, so not to be evicted.
    public var pinned: Int
    /// Complete and in nobody's use.
    public var cached: Int
    /// Given up, and perhaps still written to.
    public var quarantined: Int
    /// Blocks that requests call worth more than others, and of these and all others those that are
    /// pinned until a time; nil from a node of a release that did not tell.
    public var retained: Int?
    public var keptUntil: Int?
  }

  /// Blocks that left a tier.
  public struct RemovalFigures: Codable, Sendable {
    /// "host" or "disk".
    public var tier: String
    /// As in `RemovalReason`: "evicted", "corrupt" and so on.
    public var reason: String
    /// How many, since the node began.
    public var blocks: Int
  }

  /// How often something was done, and how long it took.
  public struct LatencyFigures: Codable, Sendable {
    /// "match", "store", "load", "read", "write", "get" or "put".
    public var what: String
    /// Bytes and blocks that it moved; 0 for a match.
    public var bytes: Int
    public var blocks: Int
    /// All times together.
    public var seconds: Double
    /// Times in each range of `latencyBounds`, and one for all that took longer.
    public var counts: [Int]
  }

  /// The upper ends of the ranges of latencies, in seconds.
  public static var latencyBounds: [Double] { Histogram.bounds }

  /// The node's release.
  public var version: String
  /// The node's process id.
  public var pid: Int
  /// Seconds since the node began to start, to a millisecond.
  public var uptimeSeconds: Double
  /// Engines that are attached, or have sides that have not let go yet.
  public var sessions: Int
  /// What the host tier may have.
  public var hostCapacityBytes: Int
  /// What the host tier has: extents with pages, in use or free.
  public var hostPopulatedBytes: Int
  /// What the disk tier may have; 0 without one.
  public var diskCapacityBytes: Int
  /// What the disk tier has: all extents that exist, in use or not.
  public var diskExtentBytes: Int
  /// What leaves each tier when it is full, by name; nil for a tier that is not there, and from a
  /// node of a release that did not tell.
  public var hostEviction: String?
  public var diskEviction: String?
  /// Blocks that wait to be written to disk, or are being written.
  public var pendingWrites: Int
  /// One entry for each slot class and tier.
  public var tiers: [TierFigures]
  /// The engine's counters, by name.
  public var counters: [String: Int]
  /// Why the node does less than it was asked to; empty when all is well.
  public var degraded: [String]
  /// Blocks that left, by tier and reason; nil from a node of a release that did not tell.
  public var removals: [RemovalFigures]?
  /// Latencies by what was done; nil from a node of a release that did not tell.
  public var latencies: [LatencyFigures]?
  /// How fast ways and engines are; nil from a node of a release that did not tell.
  public var speeds: SpeedFigures?
  /// What comes into the tiers, and how much of it may be written to disk in a day; nil without
  /// such a tier or limit.
  public var hostAdmission: String?
  public var diskAdmission: String?
  public var diskWriteBudgetBytes: Int?
  /// What each tenant has; nil where the tiers are not shared, and from a node of a release that
  /// did not tell.
  public var tenants: [TenantFigures]?
  /// Who reads and writes the disk, "io_uring" or "threads"; nil without a disk, and from a node of
  /// a release that did not tell.
  public var diskDriver: String?
  /// How slots on disk are encrypted, and with which key; nil where they are not.
  public var diskEncryption: String?
  /// The object store; nil without one.
  public var object: ObjectReport?

  /// The same as one JSON object, keys in order.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }

  private static func words(_ eviction: String?) -> String {
    eviction.map { ", eviction: \($0)" } ?? ""
  }

  /// A few lines for people.
  public var lines: [String] {
    var lines = [
      "kvbm \(version), pid \(pid), up \(Int(uptimeSeconds)) s, sessions: \(sessions)",
      "host   \(ByteSize(bytes: hostPopulatedBytes)) of \(ByteSize(bytes: hostCapacityBytes))"
        + Self.words(hostEviction),
      "disk   \(ByteSize(bytes: diskExtentBytes)) of \(ByteSize(bytes: diskCapacityBytes)), "
        + "\(pendingWrites) blocks to be written" + Self.words(diskEviction),
    ]
    lines += object?.lines ?? []
    lines += admissionLines
    for tier in tiers {
      lines.append(
        "\(tier.tier)   slots of \(ByteSize(bytes: tier.slotBytes)): \(tier.cached) cached, "
          + "\(tier.pinned) pinned, \(tier.filling) filling, \(tier.free) free, "
          + "\(tier.quarantined) quarantined"
          + (tier.retained.map { ", \($0) above normal" } ?? "")
          + (tier.keptUntil.map { $0 > 0 ? ", \($0) pinned until a time" : "" } ?? ""))
    }
    lines += tenantLines
    for (name, value) in counters.sorted(by: { $0.key < $1.key }) where value != 0 {
      lines.append("\(name) \(value)")
    }
    lines += speeds?.lines ?? []
    return lines + degraded.map { "degraded: \($0)" }
  }
}

extension NodeStatistics {
  /// What does not come into the tiers as a matter of course, and who moves it.
  private var admissionLines: [String] {
    var lines: [String] = []
    if let hostAdmission, hostAdmission != AdmissionChoice.all.rawValue {
      lines.append("host   admits \(hostAdmission)")
    }
    if let diskAdmission, diskAdmission != AdmissionChoice.all.rawValue {
      lines.append("disk   admits \(diskAdmission)")
    }
    if let diskDriver { lines.append("disk   driver: \(diskDriver)") }
    if let diskEncryption { lines.append("disk   encrypted: \(diskEncryption)") }
    if let bytes = diskWriteBudgetBytes {
      lines.append("disk   takes \(ByteSize(bytes: bytes)) a day")
    }
    return lines
  }

  /// Reads what `json` wrote.
  ///
  /// - Throws: The decoder's error, for a node of another release too.
  public init(json: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(NodeStatistics.self, from: Data(json.utf8))
  }
}

extension NodeCore {
  /// Takes all figures at one moment.
  func statistics() -> NodeStatistics {
    let uptime = Clock.now.nanoseconds - startedAt.nanoseconds
    let shortfalls = currentShortfalls
    let diskExtentBytes = store?.committedBytes ?? 0
    return state.withLock { state in
      var counters: [String: Int] = [:]
      state.engine.counters.visit { name, value in counters[Self.snakeCase(name)] = value }
      counters["disk_corrupt"] = state.diskFaults.corrupt
      counters["disk_failed"] = state.diskFaults.failed
      for (name, value) in state.diskFaults.protection.named { counters["disk_" + name] = value }
      state.addCounters(to: &counters)
      var degraded = shortfalls
      if let shortfall = state.objectShortfall { degraded.append(shortfall) }
      if let fault = state.engine.fault { degraded.append("engine: \(fault)") }
      return NodeStatistics(
        version: NodeVersion.text, pid: Int(getpid()),
        uptimeSeconds: Double(uptime / 1_000_000) / 1_000, sessions: state.sessionCount,
        hostCapacityBytes: configuration.hostCapacityBytes,
        hostPopulatedBytes: state.classes.reduce(0) { $0 + $1.populatedBytes },
        diskCapacityBytes: configuration.disk?.capacityBytes ?? 0,
        diskExtentBytes: diskExtentBytes,
        hostEviction: configuration.eviction.host.rawValue,
        diskEviction: configuration.disk.map { _ in configuration.eviction.disk.rawValue },
        pendingWrites: state.engine.pendingDiskWriteCount,
        tiers: state.tierStatistics(hasDisk: store != nil), counters: counters,
        degraded: degraded, removals: state.removalStatistics, latencies: state.latencyStatistics,
        speeds: SpeedFigures(state.engine),
        hostAdmission: configuration.hostAdmission.rawValue,
        diskAdmission: configuration.disk?.admission.rawValue,
        diskWriteBudgetBytes: configuration.disk?.writeBudgetBytes,
        tenants: state.tenantStatistics(hasDisk: store != nil),
        diskDriver: store?.driverName, diskEncryption: configuration.diskEncryption,
        object: state.objectReport(of: configuration.object))
    }
  }

  /// "blocksLoaded" as "blocks_loaded".
  private static func snakeCase(_ name: String) -> String {
    var text = ""
    for letter in name {
      if letter.isUppercase { text += "_" }
      text += letter.lowercased()
    }
    return text
  }
}

extension NodeState {
  /// What the node counts beside its engine.
  fileprivate borrowing func addCounters(to counters: inout [String: Int]) {
    counters["requested_blocks"] = matches.requestedBlocks
    counters["requested_tokens"] = matches.requestedTokens
    counters["matched_blocks"] = matches.matchedBlocks
    counters["matched_tokens"] = matches.matchedTokens
    addObjectCounters(to: &counters)
    for (name, value) in hostExtents.named { counters["host_" + name] = value }
    for (name, value) in diskExtents.named { counters["disk_" + name] = value }
  }

  fileprivate borrowing func removals(_ tier: Tier) -> [NodeStatistics.RemovalFigures] {
    RemovalReason.allCases.map { reason in
      NodeStatistics.RemovalFigures(
        tier: "\(tier)", reason: "\(reason)", blocks: removalCounts[tier, reason])
    }
  }

  fileprivate var removalStatistics: [NodeStatistics.RemovalFigures] {
    removals(.host) + removals(.disk)
  }

  fileprivate var latencyStatistics: [NodeStatistics.LatencyFigures] {
    var figures = [
      NodeStatistics.LatencyFigures(
        what: "match", bytes: 0, blocks: 0,
        seconds: Double(matches.latency.sumNanoseconds) / 1e9, counts: matches.latency.counts)
    ]
    for kind in TransferLog.Kind.allCases {
      let of = transfers[kind]
      figures.append(
        NodeStatistics.LatencyFigures(
          what: kind.rawValue, bytes: of.bytes, blocks: of.blocks,
          seconds: Double(of.latency.sumNanoseconds) / 1e9, counts: of.latency.counts))
    }
    return figures
  }

  fileprivate borrowing func tierStatistics(hasDisk: Bool) -> [NodeStatistics.TierFigures] {
    var tiers: [NodeStatistics.TierFigures] = []
    for slotClass in classes {
      for tier in [Tier.host, .disk] where tier == .host || hasDisk {
        guard let counts = engine.counts(tier, slotClass.id) else { continue }
        tiers.append(
          NodeStatistics.TierFigures(
            tier: "\(tier)", slotBytes: slotClass.slotBytes, absent: counts.absent,
            free: counts.free, filling: counts.filling, pinned: counts.pinned,
            cached: counts.cached, quarantined: counts.quarantined,
            retained: engine.retainedCount(tier, slotClass.id),
            keptUntil: tier == .host ? engine.pinnedCount(slotClass.id) : nil))
      }
    }
    return tiers
  }
}
