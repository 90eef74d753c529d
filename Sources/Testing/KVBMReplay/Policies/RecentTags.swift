import BlockPool

/// The tags of the keys that were inserted last, as many as fit.
struct RecentTags {
  private var ring: [UInt32]
  private var next = 0
  /// By tag: how often it is in the ring and not removed.
  private var counts: [UInt32: Int] = [:]

  /// Room for so many tags, at least one.
  init(capacity: Int) { ring = Array(repeating: 0, count: capacity) }

  /// The part of a key that stands for it; never 0.
  static func tag(_ key: BlockKey) -> UInt32 { max(1, UInt32(truncatingIfNeeded: key.low >> 32)) }

  /// Remembers a tag, and forgets the oldest.
  mutating func insert(_ tag: UInt32) {
    drop(ring[next])
    ring[next] = tag
    counts[tag, default: 0] += 1
    next = next + 1 == ring.count ? 0 : next + 1
  }

  /// Forgets a tag; whether it was there.
  mutating func remove(_ tag: UInt32) -> Bool { counts.removeValue(forKey: tag) != nil }

  private mutating func drop(_ tag: UInt32) {
    guard let count = counts[tag] else { return }
    counts[tag] = count > 1 ? count - 1 : nil
  }
}
