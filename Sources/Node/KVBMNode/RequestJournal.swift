import BlockEngine
import BlockIdentity

/// What the node remembers of the latest requests: what they asked for, and what they got.
///
/// Bounded: the oldest requests make room. Guarded by the node's lock.
struct RequestJournal {
  struct Entry {
    /// The engine's own name for it; empty where the engine gave none.
    var name = ""
    let id: RequestID
    let namespace: Namespace
    /// Of the last match; positions count blocks of the request.
    var askedAt: Time
    var firstPosition = 0
    var askedCount = 0
    var readyCount = 0
    var pendingCount = 0
    /// The block that a longer prefix lacked, and what was known of it.
    var firstMissing: Missing?
    /// Of all its matches and steps.
    var matchCount = 0
    var loadedCount = 0
    var storedCount = 0
    /// Who pays for what it brings; nil where nobody was named, or tiers are not shared.
    var tenant: TenantID?
    /// What it said of its blocks' worth.
    var retentions: [RetentionRange] = []
    /// How long after its end its conversation will be back, by its word.
    var backNanoseconds: UInt64?
    /// Where its blocks are found from.
    var trail = KeyTrail()
  }

  /// A block that was not there. Facts only: they are put into words when somebody asks.
  struct Missing {
    let position: Int
    let key: BlockKey
    /// Its group, where there are several, and the group's window, where it has one.
    let group: Int?
    let windowTokens: Int?
    let cause: Cause
  }

  /// What was known of a missing block at the time of the match.
  enum Cause {
    /// In host memory, and not offered.
    case heldBack
    /// On its way into host memory.
    case arriving
    /// On disk, and not staged.
    case onDisk
    /// In the object store, and not fetched.
    case inObjectStore
    /// The object store was asked for it, and has not answered.
    case asked
    /// There, and slower than computing; whether only the object store has it.
    case slower(LoadRefusal, isObject: Bool)
    /// Nowhere; with what is remembered of it in each tier.
    case gone(host: Past, disk: Past)
  }

  /// What happened to a block in one tier the last time.
  struct Past {
    var removal: RemovalJournal.Entry?
    var refusal: RefusalJournal.Entry?
  }

  static let capacity = 4_096

  private var entries: [Entry] = []
  private var first = 0
  private var places: [RequestID: Int] = [:]

  /// Changes a request's entry, made when it is new.
  mutating func update(
    _ id: RequestID, _ namespace: Namespace, _ now: Time, _ body: (inout Entry) -> Void
  ) {
    if let place = places[id] { return body(&entries[place]) }
    var entry = Entry(id: id, namespace: namespace, askedAt: now)
    body(&entry)
    if entries.count < Self.capacity {
      places[id] = entries.count
      entries.append(entry)
    } else {
      places[entries[first].id] = nil
      places[id] = first
      entries[first] = entry
      first = (first + 1) % Self.capacity
    }
  }

  /// The requests of that name or number, latest first.
  func find(_ name: String) -> [Entry] {
    entries.filter { $0.name == name || String($0.id.number) == name }
      .sorted { $0.askedAt > $1.askedAt }
  }

  /// The latest requests, latest first.
  func latest(_ count: Int) -> [Entry] {
    Array(entries.sorted { $0.askedAt > $1.askedAt }.prefix(count))
  }
}
