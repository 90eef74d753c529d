import BlockEngine
import BlockIdentity

/// The blocks that have lately left a tier, and why.
typealias RemovalJournal = BlockJournal<RemovalReason>

/// The blocks that were lately not let into a tier, and why.
typealias RefusalJournal = BlockJournal<RefusalReason>

/// What lately happened to blocks of each tier, for one of several reasons: the answer to "why is
/// it not there?".
///
/// Bounded: the oldest entries make room. Guarded by the node's lock.
struct BlockJournal<Reason: Sendable>: Sendable {
  struct Entry: Sendable {
    let reason: Reason
    let time: Time
  }

  private struct Place: Hashable {
    let key: BlockKey
    let group: UInt8
    let tier: Tier
  }

  static var capacity: Int { 65_536 }

  private var entries: [Place: Entry] = [:]
  /// The order in which places were noted, oldest at `first`.
  private var order: [Place] = []
  private var first = 0

  mutating func note(_ tier: Tier, _ record: BlockRecord, _ reason: Reason, _ now: Time) {
    let place = Place(key: record.key, group: record.group, tier: tier)
    if entries.updateValue(Entry(reason: reason, time: now), forKey: place) != nil { return }
    if order.count < Self.capacity {
      order.append(place)
    } else {
      entries[order[first]] = nil
      order[first] = place
      first = (first + 1) % Self.capacity
    }
  }

  /// What happened to the block in the tier the last time, if that is remembered.
  func entry(_ key: BlockKey, group: Int, _ tier: Tier) -> Entry? {
    entries[Place(key: key, group: UInt8(truncatingIfNeeded: group), tier: tier)]
  }
}
