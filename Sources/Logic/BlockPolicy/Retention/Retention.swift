/// How much a block is worth keeping, and for how long.
public struct Retention: Hashable, Sendable, BitwiseCopyable {
  /// 0...100; 50 is that of blocks of which nothing is said.
  public var priority: UInt8
  /// From then on the block is like all others: nanoseconds since its owner's origin; `.max` for
  /// never.
  public var until: UInt64

  /// A priority for a time; priorities beyond 100 count as 100.
  public init(priority: UInt8, until: UInt64 = .max) {
    self.priority = min(priority, Self.priorityMax)
    self.until = until
  }

  /// The greatest priority.
  public static var priorityMax: UInt8 { 100 }
  /// That of blocks of which nothing is said.
  public static var normal: Retention { Retention(priority: 50) }

  /// What the priority comes to.
  public var level: RetentionLevel {
    switch priority {
    case ..<25: .low
    case 25..<75: .normal
    case 75..<100: .high
    default: .highest
    }
  }

  /// What a block is worth of which both are said: nobody's word takes another's away.
  ///
  /// The higher level counts, with its time. Of one level the greater priority counts, and above
  /// normal the later end, below normal the earlier one; what is normal has no end.
  public func merged(with other: Retention) -> Retention {
    guard level == other.level else { return level > other.level ? self : other }
    let priority = max(priority, other.priority)
    switch level {
    case .low: return Retention(priority: priority, until: min(until, other.until))
    case .normal: return Retention(priority: priority)
    case .high, .highest: return Retention(priority: priority, until: max(until, other.until))
    }
  }
}

/// What decides when a block leaves a full tier, before the tier's policy is asked: lower levels
/// first.
///
/// Four, and not a hundred: within a level the least recently used sequence goes from its tail, and
/// with a hundred of them hardly any two blocks would be compared by their use.
public enum RetentionLevel: UInt8, Hashable, Comparable, Sendable, CaseIterable {
  /// Priorities 0...24: before all others.
  case low
  /// 25...74: as the tier's policy has it.
  case normal
  /// 75...99: after those.
  case high
  /// 100: last of all.
  case highest

  /// Whether a level leaves before another.
  public static func < (a: RetentionLevel, b: RetentionLevel) -> Bool { a.rawValue < b.rawValue }
}
