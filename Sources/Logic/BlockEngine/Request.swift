/// A request between its first match and its cancellation.
struct Request {
  let id: RequestID
  /// The namespace of what it holds.
  var namespace: NamespaceID
  /// Its entry in the table of uses.
  var use: Int
  /// Pins of the ready prefix: until the lease ends, or the load does.
  var promise = Promise()
  /// When `promise` goes unless the request is loading.
  var leaseEnd = Time(nanoseconds: 0)
  /// Blocks that are staged, or were, for this request: ordered by position, then group.
  var holds: [StagingHold] = []
  /// No staging after this; nil until something is staged.
  var stagingDeadline: Time?
  /// Where a group is windowed: the position up to which all is being staged; 0 before.
  var stagingTarget = 0
  /// The load under way; while it runs, the request can be cancelled but not forgotten.
  var load: OperationID?
  var isCancelled = false
  /// Positions from here on are not offered: a load or a read of them failed.
  var offerLimit = Int.max
  /// It loads although computing is expected to be faster, so that the way's speed stays known.
  var isTrial = false
  /// Whether the engine's lists of requests with leases and with holds have this one.
  var isLeased = false
  var isStaging = false
}

/// A request's claim on one block behind its ready prefix; counts against the class's budget.
struct StagingHold {
  let position: Int
  let group: Int
  /// What it waits for: a transfer, or an announcement; both nil once `block` is pinned.
  var operation: OperationID?
  var expectation: Int?
  /// The pinned block; `.none` while it waits.
  var block: BlockID

  func isBefore(_ other: (position: Int, group: Int)) -> Bool {
    position < other.position || position == other.position && group < other.group
  }

  func isAt(_ position: Int, _ group: Int) -> Bool {
    self.position == position && self.group == group
  }
}

/// The live requests: a fixed number of entries, found by id.
struct RequestTable {
  private var values: [Request?] = []
  private var freeEntries: [Int] = []
  private var entries: [RequestID: Int] = [:]
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { entries.count }
  var hasRoom: Bool { entries.count < capacity }

  func entry(of id: RequestID) -> Int? { entries[id] }

  /// Enters a request; nil when the table is full.
  mutating func insert(_ request: Request) -> Int? {
    guard entries.count < capacity else { return nil }
    let entry: Int
    if let free = freeEntries.popLast() {
      entry = free
      values[entry] = request
    } else {
      entry = values.count
      values.append(request)
    }
    entries[request.id] = entry
    return entry
  }

  mutating func remove(_ entry: Int) {
    guard let request = values[entry] else { return }
    entries[request.id] = nil
    values[entry] = nil
    freeEntries.append(entry)
  }

  func isLive(_ entry: Int) -> Bool { values.indices.contains(entry) && values[entry] != nil }

  /// The request of a live entry.
  subscript(entry: Int) -> Request {
    _read { yield values[entry]! }
    _modify { yield &values[entry]! }
  }

  /// Live entries, in order.
  var liveEntries: [Int] { values.indices.filter { values[$0] != nil } }
}
