import BlockEngine
import FoundationEssentials
import Synchronization

/// Why requests got what they got, for people and programs.
public struct Explanation: Codable, Sendable {
  /// One request, as the journal has it. Counts are blocks.
  public struct Request: Codable, Sendable {
    /// The engine's name for it, or its number.
    public var name: String
    public var namespace: String
    public var secondsAgo: Double
    /// How often it asked, and what it asked for the last time.
    public var matches: Int
    public var firstPosition: Int
    public var asked: Int
    public var ready: Int
    public var pending: Int
    public var loaded: Int
    public var stored: Int
    /// Who pays for what it brings; nil where nobody was named, or tiers are not shared.
    public var tenant: String?
    /// What it said of its blocks' worth; nil when it said nothing.
    public var retention: [Retention]?
    /// What its blocks have of that now, tier by tier, and why that is less where it is; nil when
    /// it said nothing, and in a list of several requests.
    public var granted: [Granted]?
    public var notGranted: [String]?
    /// How long after its end its conversation will be back, by its word; nil without one.
    public var backSeconds: Double?
    /// Where its prefix ended, and why; absent when it got all.
    public var firstMissing: Int?
    public var missingKey: String?
    /// The cache group that lacks it, as in "group 1, a window of 256 tokens"; absent where one
    /// group of full attention is all there is.
    public var missingGroup: String?
    public var reason: String?
  }

  /// What a request said of a range of its blocks.
  public struct Retention: Codable, Sendable {
    public var firstBlock: Int
    /// Absent for all that follow.
    public var endBlock: Int?
    public var priority: Int
    /// Absent for ever.
    public var seconds: Double?
    public var pinned: Bool
  }

  /// Those that were asked for, latest first.
  public var requests: [Request]

  /// The same as one JSON object.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension Explanation {
  /// Reads what `json` wrote.
  ///
  /// - Throws: What the decoder found wrong.
  public init(json: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Explanation.self, from: Data(json.utf8))
  }

  /// A few lines a request, for people.
  public var lines: [String] { requests.flatMap(\.lines) }
}

extension Explanation.Request {
  /// Three or four lines.
  var lines: [String] {
    let age = Int(secondsAgo)
    var lines = ["request \(name), \(age) s ago, namespace \(namespace.prefix(12))"]
    lines.append("  asked for \(asked) blocks from block \(firstPosition) on (\(matches) times)")
    lines.append("  \(ready) ready, \(pending) on their way; loaded \(loaded), taken in \(stored)")
    if let tenant { lines.append("  tenant \(tenant)") }
    for said in retention ?? [] { lines.append("  " + said.words) }
    for granted in granted ?? [] { lines.append("    " + granted.words) }
    for reason in notGranted ?? [] { lines.append("    " + reason) }
    if let backSeconds {
      lines.append("  will be back \(backSeconds.formattedSeconds) s after its end")
    }
    if let firstMissing, let reason {
      let group = missingGroup.map { " of \($0)," } ?? ""
      lines.append("  block \(firstMissing)\(group) is missing: \(reason)")
    }
    return lines
  }
}

extension Explanation.Retention {
  init(_ said: RetentionRange) {
    firstBlock = said.positions.lowerBound
    endBlock = said.positions.upperBound == .max ? nil : said.positions.upperBound
    priority = Int(said.priority)
    seconds = said.nanoseconds == .max ? nil : Double(said.nanoseconds / 1_000_000) / 1_000
    pinned = said.isPinned
  }

  /// As in "blocks 0 to 255: priority 90 for 600 s, pinned".
  var words: String {
    let end = endBlock.map { "to \($0 - 1)" } ?? "on"
    let time = seconds.map { " for \($0.formattedSeconds) s" } ?? ""
    return "blocks \(firstBlock) \(end): priority \(priority)\(time)\(pinned ? ", pinned" : "")"
  }
}

extension Double {
  /// Without a fraction where there is none.
  fileprivate var formattedSeconds: String {
    self == rounded() && abs(self) < 1e15 ? String(Int(self)) : String(self)
  }
}

extension NodeCore {
  /// The requests of a name or number, or with an empty name the latest ones.
  func explanation(of name: String) -> Explanation {
    let now = Clock.now
    let (entries, tenants, granted) = state.withLock { state in
      let entries =
        name.isEmpty
        ? state.requests.latest(Self.latestCount)
        : Array(state.requests.find(name).prefix(Self.latestCount))
      // Each of its blocks is looked up: not for many requests at once.
      let granted = entries.count == 1 ? state.granted(entries[0], now) : nil
      return (entries, state.tenants, granted)
    }
    return Explanation(
      requests: entries.map { entry in
        Explanation.Request(
          name: entry.name.isEmpty ? String(entry.id.number) : entry.name,
          namespace: entry.namespace.digest.description,
          secondsAgo: Double((now.nanoseconds &- entry.askedAt.nanoseconds) / 1_000_000) / 1_000,
          matches: entry.matchCount, firstPosition: entry.firstPosition, asked: entry.askedCount,
          ready: entry.readyCount, pending: entry.pendingCount, loaded: entry.loadedCount,
          stored: entry.storedCount, tenant: entry.tenant.map(tenants.name),
          retention: entry.retentions.isEmpty
            ? nil : entry.retentions.map(Explanation.Retention.init),
          granted: granted?.ranges, notGranted: granted?.reasons,
          backSeconds: entry.backNanoseconds.map { Double($0 / 1_000_000) / 1_000 },
          firstMissing: entry.firstMissing?.position,
          missingKey: entry.firstMissing?.key.description,
          missingGroup: entry.firstMissing?.groupWords,
          reason: entry.firstMissing?.cause.words(at: entry.askedAt, configuration))
      })
  }

  /// So many requests fit into a packet.
  private static let latestCount = 64
}
