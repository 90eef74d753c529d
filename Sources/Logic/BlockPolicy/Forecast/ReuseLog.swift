/// Blocks whose next use is awaited, the oldest forgotten first.
///
/// A block stays in the log when it leaves the pool: what would have become of it is what has to be
/// learnt. When more blocks come than the log can follow for long enough, only some are followed,
/// chosen by their keys.
struct ReuseLog: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var start: UInt32
    /// Which entry of this place it is; 0 in an empty one.
    var round: UInt32
    var reuse: ReuseClass
    /// Buckets that were passed and noted.
    var passedCount: UInt8
    var isAwaited: Bool
  }

  private let entries: Column<Entry>
  /// Blocks that were followed so far.
  private var count = 0
  /// By bucket of age: the first block, in order, that had not come to it at the last sweep.
  private let frontiers: Column<Int>
  /// Only keys whose so many low bits are 0 are followed: those of the mask.
  private var sparseness: UInt32 = 0
  private var mask: UInt32 = 0

  private static let entryCount = 1 << 14
  private static let sparsenessMax: UInt32 = 12

  init() {
    entries = Column(zeroed: Self.entryCount)
    frontiers = Column(zeroed: ReuseTable.bucketCount)
  }

  deinit {
    entries.deallocate()
    frontiers.deallocate()
  }

  @inline(__always)
  private static func place(_ position: Int) -> Int { position & (entryCount - 1) }

  /// Awaits the next use of a block.
  ///
  /// - Parameter span: Ticks that a block should be followed for at least.
  /// - Returns: The entry's number, for `noteUse`; 0 when the block is not followed.
  @inline(__always)
  mutating func await(
    _ reuse: ReuseClass, tag: UInt32, at now: UInt32, span: UInt32
  ) -> UInt32 {
    guard tag & mask == 0 else { return 0 }
    let place = Self.place(count)
    let last = entries[place]
    if last.round != 0 { adapt(oldestAge: now &- last.start, span: span) }
    count += 1
    // No number is 0; the places go on as if one had been given.
    if UInt32(truncatingIfNeeded: count) == 0 { count += Self.entryCount }
    let number = UInt32(truncatingIfNeeded: count)
    entries[place] = Entry(
      start: now, round: number, reuse: reuse, passedCount: 0, isAwaited: true)
    return number
  }

  /// Follows fewer when the log forgets too early, and more when it has room.
  private mutating func adapt(oldestAge: UInt32, span: UInt32) {
    guard count % (Self.entryCount / 4) == 0 else { return }
    if oldestAge < span, sparseness < Self.sparsenessMax {
      sparseness += 1
    } else if oldestAge / 4 > span, sparseness > 0 {
      sparseness -= 1
    }
    mask = 1 << sparseness - 1
  }

  /// The block that is followed under that number was used.
  @inline(__always)
  mutating func noteUse(_ number: UInt32, at now: UInt32, in table: inout ReuseTable) {
    guard number != 0 else { return }
    let place = Self.place(Int(number &- 1))
    guard entries[place].round == number, entries[place].isAwaited else { return }
    let bucket = ReuseTable.bucket(now &- entries[place].start)
    let passed = min(bucket, Int(entries[place].passedCount))
    entries[place].isAwaited = false
    table.noteUsed(entries[place].reuse, passed...bucket)
  }

  /// Notes the ages that all awaited blocks have reached by now.
  ///
  /// Blocks are in order of their start, so those that have come to a bucket since the last sweep
  /// are in a row; the longest first, so that none is looked at twice.
  ///
  /// - Complexity: O(1) amortised for each block and bucket that it comes to.
  mutating func sweep(at now: UInt32, in table: inout ReuseTable) {
    var first = max(0, count - Self.entryCount)
    for bucket in (1..<ReuseTable.bucketCount).reversed() {
      let age = UInt32(ReuseTable.start(of: bucket))
      var position = max(frontiers[bucket], first)
      while position < count {
        let place = Self.place(position)
        guard now &- entries[place].start >= age else { break }
        if entries[place].isAwaited { pass(place, upTo: bucket, in: &table) }
        position += 1
      }
      frontiers[bucket] = position
      first = position
    }
  }

  @inline(__always)
  private mutating func pass(_ place: Int, upTo bucket: Int, in table: inout ReuseTable) {
    let passed = Int(entries[place].passedCount)
    guard passed < bucket else { return }
    table.notePassed(entries[place].reuse, passed..<bucket)
    entries[place].passedCount = UInt8(truncatingIfNeeded: bucket)
  }
}
