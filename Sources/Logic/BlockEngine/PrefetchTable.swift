/// A conversation that is to be back: what its last request used.
struct ExpectedReturn {
  let namespace: NamespaceID
  /// The deepest block of the request, and the deepest that was there when it first asked, should
  /// the tail have left.
  let lastKey: BlockKey
  let firstKey: BlockKey
  /// From the request's end until it is back, by its word.
  let backNanoseconds: UInt64
  /// Who pays for what is read for it.
  let payer: TenantID
}

/// Conversations that are to be back, and the blocks that are read for one of them.
///
/// Bounded: what has no room is not expected.
struct PrefetchTable {
  /// Those whose request has ended since the clock was looked at.
  private var fresh: [ExpectedReturn] = []
  private var waiting: [(due: Time, entry: ExpectedReturn)] = []
  /// No one of `waiting` is due before this.
  private var nextDue = Time(nanoseconds: .max)
  /// What is still to be read for the one whose turn it is, the last one first.
  var reads: [BlockRecord] = []
  /// Who pays for these.
  var payer = TenantID.standard
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  var isEmpty: Bool { fresh.isEmpty && waiting.isEmpty && reads.isEmpty }

  /// Conversations that are waited for.
  var count: Int { fresh.count + waiting.count }

  /// Enters a conversation whose request has ended just now; false when the table is full.
  mutating func insert(_ entry: ExpectedReturn) -> Bool {
    guard count < capacity else { return false }
    fresh.append(entry)
    return true
  }

  /// The clock is looked at: `due` says when the blocks of those that have ended are to be read.
  mutating func begin(_ due: (ExpectedReturn) -> Time) {
    for entry in fresh {
      let due = due(entry)
      waiting.append((due, entry))
      nextDue = min(nextDue, due)
    }
    fresh.removeAll(keepingCapacity: true)
  }

  /// Takes one that is due, the one that has been for the longest.
  ///
  /// - Complexity: O(1) while none is, else O(`count`).
  mutating func takeDue(_ now: Time) -> ExpectedReturn? {
    guard now >= nextDue, let next = waiting.indices.min(by: { waiting[$0].due < waiting[$1].due })
    else { return nil }
    let (_, entry) = waiting.remove(at: next)
    nextDue = waiting.map(\.due).min() ?? Time(nanoseconds: .max)
    return entry
  }
}
