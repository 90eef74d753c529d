import BlockEngine
import BlockPolicy

/// What requests have ever said of one class's blocks, by name: no block may be worth more.
struct Worth {
  /// Until when the block was said to be of a level above normal, at most.
  struct Ends {
    var high: UInt64 = 0
    var highest: UInt64 = 0

    subscript(level: RetentionLevel) -> UInt64 {
      get { level == .highest ? highest : high }
      set { if level == .highest { highest = newValue } else { high = newValue } }
    }
  }

  private var ends: [BlockKey: Ends] = [:]
  private var low: Set<BlockKey> = []

  /// Somebody says that the block is worth that.
  mutating func note(_ said: Retention, _ name: BlockKey) {
    switch said.level {
    case .low: low.insert(name)
    case .normal: break
    case .high, .highest:
      ends[name, default: Ends()][said.level] = max(ends[name]?[said.level] ?? 0, said.until)
    }
  }

  /// Whether somebody has said so much, for so long.
  func explains(_ worth: Retention, _ name: BlockKey) -> Bool {
    switch worth.level {
    case .low: low.contains(name)
    case .normal: true
    case .high, .highest: worth.until <= ends[name]?[worth.level] ?? 0
    }
  }
}

/// The blocks of a tier before a call: what they are worth, and which somebody holds.
struct Standing {
  var levels: [BlockRef: RetentionLevel] = [:]
  var held: Set<BlockRef> = []
  /// Who pays for each: levels count among one tenant's blocks.
  var owners: [BlockRef: TenantID] = [:]
  /// `[class]`: whether as many are above normal as may be, so that some may become normal.
  var isFull = [false, false]
}

extension [RetentionRange] {
  /// What a request's words come to for the block at a position: the most of what is said of it and
  /// of every position behind it, where nothing said means normal. Place by place.
  func worth(at position: Int, _ now: UInt64) -> Retention {
    var most: Retention?
    for place in position...(2 * Truth.lengthMax + 1) {
      var here: Retention?
      for range in self where range.positions.contains(place) {
        let word = Retention(priority: range.priority, until: range.nanoseconds)
        here = here?.merged(with: word) ?? word
      }
      most = most?.merged(with: here ?? .normal) ?? here ?? .normal
    }
    guard var worth = most else { return .normal }
    if worth.until < .max { worth.until += now }
    return worth
  }
}
