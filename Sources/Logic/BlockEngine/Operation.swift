/// A transfer under way. It ends when all its parts were reported, never before.
struct Operation {
  enum Kind: Int {
    /// G1 → host; the target is filled by the ranks.
    case store
    /// Disk → host, for the requests that wait.
    case read
    /// Host → disk, behind a store.
    case write
    /// Host → G1, for the request that committed; the request's pins are its source.
    case load
    /// Object store → host, for the requests that wait.
    case get
    /// Host → object store, behind a store.
    case put
    /// Which of some keys the object store has: a part each.
    case look

    /// Whether it brings a block into a slot.
    var hasTarget: Bool {
      switch self {
      case .store, .read, .write, .get: true
      case .load, .put, .look: false
      }
    }

    /// Whether the object store has to answer.
    var isOnObjects: Bool { self == .get || self == .put || self == .look }
  }

  let kind: Kind
  /// What is transferred; of no meaning for loads.
  let record: BlockRecord
  let classID: ClassID
  /// Pinned by the operation until it ends; `.none` for stores, loads, gets and looks.
  let source: BlockID
  /// Filling, or quarantined after the deadline; `.none` where nothing comes into a slot.
  let target: BlockID
  /// Not for loads: a copy into the device runs to its proven end.
  let deadline: Time
  /// Parts that were not reported, as a bit mask.
  var outstandingParts: UInt32
  var hasFailed = false
  var hasTimedOut = false
  /// Whoever carries it out could not do it: no bytes, wrong or right, and no word of them.
  var isUnanswered = false
  /// Who waits for the target to be ready; each has a staging hold for it.
  var waiters: [Waiter] = []
  /// What those who offered the block say that it is worth; nil when nobody has.
  var claim: Claim?
  /// The engine whose workers carry it out; nil where the node's own drivers do.
  var owner: EngineID?
  /// Who pays for the target.
  var payer = TenantID.standard
  /// The use that it is part of: a store's or a write's, until its deadline.
  var use: Int?
  /// Why a stored block is not to go on to disk; nil when it is.
  var diskRefusal: RefusalReason?
  /// The table entry of the request that a load belongs to.
  var request = -1
  /// The names that a look asks for, one a part.
  var keys: [BlockKey] = []
  /// What it moves; of no meaning for stores.
  var byteCount = 0
  /// When it began, and the bytes that were on its way then, its own included.
  var begunAt = Time(nanoseconds: 0)
  var queuedBytes = 0

  /// The tier of the target.
  var tier: Tier { kind == .write ? .disk : .host }
  var place: Place { Place(classID: classID, key: record.indexKey) }
}

/// A request that waits for an operation, and for which block of its sequence.
struct Waiter: Equatable {
  let request: Int
  let position: Int
  let group: Int
}

/// A block by its name in one class: the key of what is on its way.
struct Place: Hashable {
  let classID: ClassID
  let key: BlockKey

  /// Keys are hashes already.
  func hash(into hasher: inout Hasher) { hasher.combine(key.low) }
}

/// How many operations of each kind there are.
struct OperationCounts: Equatable {
  private var counts: InlineArray<7, Int> = InlineArray(repeating: 0)

  subscript(kind: Operation.Kind) -> Int {
    get { counts[kind.rawValue] }
    set { counts[kind.rawValue] = newValue }
  }

  static func == (a: OperationCounts, b: OperationCounts) -> Bool {
    a.counts.indices.allSatisfy { a.counts[$0] == b.counts[$0] }
  }
}
