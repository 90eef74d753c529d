/// What a request has used, for the policies: told when it is over and all of it has come.
struct RequestUse {
  /// The namespace of what it uses.
  var namespace: NamespaceID
  /// The deepest block that was found or stored for it, and how many are before it.
  private(set) var lastKey = BlockKey.none
  private(set) var lastPosition = -1
  /// The deepest one that was there when it first asked: should the tail have left, its uses count
  /// from here.
  private(set) var firstKey = BlockKey.none
  private(set) var firstPosition = -1
  /// Its stores and writes that are under way or queued.
  var pendingCount = 0
  /// Nobody speaks for it any more.
  var isOver = false
  /// Whether the host tier's policy has been asked about its blocks.
  var isJudged = false
  /// Blocks from here on are not wanted.
  var wantedEnd = Int.max
  /// How many were turned away.
  var turnedAwayCount = 0
  /// How long after its end its conversation will be back; nil when nobody has said that.
  var backNanoseconds: UInt64?
  /// Who pays for what it brings.
  var payer: TenantID

  init(namespace: NamespaceID, payer: TenantID) {
    self.namespace = namespace
    self.payer = payer
  }

  /// A block was found or stored for it.
  mutating func note(_ key: BlockKey, at position: Int, wasThere: Bool) {
    if position > lastPosition { (lastKey, lastPosition) = (key, position) }
    if wasThere, position > firstPosition { (firstKey, firstPosition) = (key, position) }
  }
}

/// The uses of live requests, and of those that are over while something of theirs is under way.
///
/// Bounded: every use has a request, a store or a write.
struct UseTable {
  private var values: [RequestUse?] = []
  private var freeEntries: [Int] = []

  var count: Int { values.count - freeEntries.count }

  /// Enters a use, and returns its number.
  mutating func insert(_ use: RequestUse) -> Int {
    if let entry = freeEntries.popLast() {
      values[entry] = use
      return entry
    }
    values.append(use)
    return values.count - 1
  }

  mutating func remove(_ entry: Int) {
    values[entry] = nil
    freeEntries.append(entry)
  }

  func isLive(_ entry: Int) -> Bool { values.indices.contains(entry) && values[entry] != nil }

  /// A live use.
  subscript(entry: Int) -> RequestUse {
    _read { yield values[entry]! }
    _modify { yield &values[entry]! }
  }

  /// Live entries, in order.
  var liveEntries: [Int] { values.indices.filter { values[$0] != nil } }
}
