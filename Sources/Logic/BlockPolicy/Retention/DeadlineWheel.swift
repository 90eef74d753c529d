/// Slots with deadlines, found when they are due without looking at the others.
///
/// A wheel of lists, one for each of the next `bucketCount` ticks; what is due later than in one
/// turn stays where it is and is passed over once a turn. Nothing is allocated after `init`.
@usableFromInline
package struct DeadlineWheel: ~Copyable {
  static var bucketCount: Int { 256 }
  /// The list of slots that are due and were not taken yet.
  private static var dueList: Int { bucketCount }

  /// The unit of time, in nanoseconds: a slot is due at the first multiple of it that is not before
  /// its deadline.
  @usableFromInline package let tickNanoseconds: UInt64
  /// The tick up to which everything was looked at.
  @usableFromInline var tick: UInt64 = 0
  /// By slot, while it is listed: the tick at which it is due.
  @usableFromInline let dueTicks: Column<UInt64>
  @usableFromInline var lists: SlotLists
  /// Slots with a deadline, with those that are due.
  @usableFromInline package var count = 0

  /// A wheel for slots `0..<capacity`, none of which has a deadline.
  package init(capacity: Int, tickNanoseconds: UInt64) {
    precondition(tickNanoseconds > 0, "a tick takes time")
    self.tickNanoseconds = tickNanoseconds
    dueTicks = Column(zeroed: capacity)
    lists = SlotLists(capacity: capacity, listCount: Self.bucketCount + 1)
  }

  deinit { dueTicks.deallocate() }

  /// Whether the slot has a deadline.
  package func contains(_ slot: Slot) -> Bool { lists.isListed(slot) }

  /// Gives the slot a deadline, in place of the one that it has; `.max` for none.
  ///
  /// - Complexity: O(1).
  package mutating func set(_ slot: Slot, until: UInt64) {
    clear(slot)
    guard until < .max else { return }
    let due = tick(of: until)
    dueTicks[slot] = due
    // The last one first: a sequence is entered from its beginning and given up from its tail.
    lists.insert(slot, coldIn: due <= tick ? Self.dueList : Int(due % UInt64(Self.bucketCount)))
    count += 1
  }

  /// The first tick that is not before a deadline.
  private func tick(of until: UInt64) -> UInt64 {
    until / tickNanoseconds + (until % tickNanoseconds == 0 ? 0 : 1)
  }

  /// Takes the slot's deadline away, if it has one.
  ///
  /// - Complexity: O(1).
  package mutating func clear(_ slot: Slot) {
    guard lists.isListed(slot) else { return }
    lists.unlink(slot)
    count -= 1
  }

  /// Time has passed: what is due can be taken.
  ///
  /// - Complexity: O(slots in the buckets of the ticks that have passed).
  package mutating func advance(to nanoseconds: UInt64) {
    let target = nanoseconds / tickNanoseconds
    guard target > tick else { return }
    defer { tick = target }
    guard count > 0 else { return }
    let passed = min(target - tick, UInt64(Self.bucketCount))
    for offset in 1...passed {
      let bucket = Int((tick &+ offset) % UInt64(Self.bucketCount))
      var next = lists.coldest(of: bucket)
      while let slot = next {
        next = lists.warmer(than: slot)
        guard dueTicks[slot] <= target else { continue }
        lists.unlink(slot)
        lists.insert(slot, warmIn: Self.dueList)
      }
    }
  }

  /// A slot that is due; it is so until `clear`. Nil when there is none.
  package var nextDue: Slot? { lists.coldest(of: Self.dueList) }

  /// A slot that is due next, within a turn, or one of those that are due later.
  ///
  /// - Complexity: O(1): a turn at most.
  package var next: Slot? {
    if let slot = nextDue { return slot }
    for offset in 1...UInt64(Self.bucketCount) {
      let bucket = Int((tick &+ offset) % UInt64(Self.bucketCount))
      if let slot = lists.coldest(of: bucket) { return slot }
    }
    return nil
  }

  /// Throws unless exactly these slots have a deadline.
  ///
  /// - Parameter deadline: That of a slot; nil where it should have none.
  package func checkInvariants(
    deadline: (Slot) -> UInt64?
  ) throws(BrokenInvariant) {
    var seen = 0
    for position in 0..<dueTicks.count {
      let slot = Slot(index: position)
      let until = deadline(slot) ?? .max
      try require(contains(slot) == (until < .max), "a deadline of nothing, or that is not kept")
      guard until < .max else { continue }
      seen += 1
      try require(dueTicks[slot] == tick(of: until), "a deadline that is another one")
    }
    try require(seen == count, "\(seen) deadlines, \(count) counted")
  }
}
