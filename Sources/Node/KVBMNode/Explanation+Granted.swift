import BlockEngine
import BlockPolicy

extension Explanation {
  /// What a range of a request's blocks is worth in a tier now.
  public struct Granted: Codable, Equatable, Sendable {
    /// "host" or "disk".
    public var tier: String
    public var firstBlock: Int
    public var endBlock: Int
    public var priority: Int
    /// For how much longer; absent for ever, and for what is normal.
    public var seconds: Double?
    /// For how much longer the blocks are pinned; absent when they are not.
    public var pinnedSeconds: Double?
  }
}

extension NodeState {
  /// What became of what a request said of its blocks' worth: what is there has now, tier by tier,
  /// and why that is less where it is; nil when it said nothing.
  borrowing func granted(
    _ entry: RequestJournal.Entry, _ now: Time
  ) -> (ranges: [Explanation.Granted], reasons: [String])? {
    guard !entry.retentions.isEmpty, let namespace = namespaces[entry.namespace]?.id else {
      return nil
    }
    var holdings: [Holding] = []
    for key in entry.trail.keys where holdings.isEmpty {
      holdings = engine.holdings(endingWith: key, in: namespace)
    }
    let host = Explanation.Granted.ranges(.host, holdings, now)
    let disk = Explanation.Granted.ranges(.disk, holdings, now)
    var reasons: [String] = []
    if holdings.isEmpty { reasons.append("none of its blocks is there any more") }
    let wantsMore = entry.retentions.contains {
      Retention(priority: $0.priority).level > .normal
    }
    for (tier, ranges) in [(Tier.host, host), (.disk, disk)] where wantsMore && !ranges.isEmpty {
      let isAbove = ranges.contains { Retention(priority: UInt8($0.priority)).level > .normal }
      if !isAbove && engine.isFullAboveNormal(tier, in: namespace) {
        reasons.append(
          "not above normal \(tier.place): as many blocks are as may be (retention.share)")
      } else if !isAbove {
        reasons.append("not above normal \(tier.place) any more: its time is over")
      }
    }
    let wantsPins = entry.retentions.contains(where: \.isPinned)
    if wantsPins && !host.isEmpty && !host.contains(where: { $0.pinnedSeconds != nil }) {
      reasons.append(
        engine.isFullOfPins(in: namespace)
          ? "not pinned: as many blocks are as may be (retention.pins)"
          : "not pinned any more: its time is over")
    }
    return (host + disk, reasons)
  }
}

extension Tier {
  /// As in "in host memory".
  fileprivate var place: String { self == .host ? "in host memory" : "on disk" }
}

extension Explanation.Granted {
  /// Runs of blocks that have the same in a tier, but for a second.
  fileprivate static func ranges(
    _ tier: Tier, _ holdings: [Holding], _ now: Time
  ) -> [Explanation.Granted] {
    var ranges: [Explanation.Granted] = []
    for holding in holdings {
      guard let worth = tier == .host ? holding.host : holding.disk else { continue }
      let next = Explanation.Granted(
        tier: "\(tier)", firstBlock: holding.position, endBlock: holding.position + 1,
        priority: Int(worth.priority), seconds: left(until: worth.until, now),
        pinnedSeconds: tier == .host ? holding.pinEnd.flatMap { left(until: $0, now) } : nil)
      if let last = ranges.last, last.goesOn(with: next) {
        ranges[ranges.count - 1].endBlock = next.endBlock
      } else {
        ranges.append(next)
      }
    }
    return ranges
  }

  private static func left(until end: UInt64, _ now: Time) -> Double? {
    guard end < .max else { return nil }
    let nanoseconds = end > now.nanoseconds ? end - now.nanoseconds : 0
    return Double(nanoseconds / 1_000_000) / 1_000
  }

  private func goesOn(with next: Explanation.Granted) -> Bool {
    func isAbout(_ a: Double?, _ b: Double?) -> Bool {
      guard let a, let b else { return a == nil && b == nil }
      return abs(a - b) <= 1
    }
    return endBlock == next.firstBlock && priority == next.priority
      && isAbout(seconds, next.seconds) && isAbout(pinnedSeconds, next.pinnedSeconds)
  }

  /// As in "blocks 0 to 255 in host memory: priority 90 for 581 s more, pinned for 581 s more".
  var words: String {
    let place = tier == "host" ? Tier.host.place : Tier.disk.place
    let level = seconds.map { " for \(Int($0)) s more" } ?? ""
    let pin = pinnedSeconds.map { ", pinned for \(Int($0)) s more" } ?? ""
    return "blocks \(firstBlock) to \(endBlock - 1) \(place): priority \(priority)\(level)\(pin)"
  }
}
