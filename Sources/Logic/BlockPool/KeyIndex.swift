/// Finds a registered block's slot by its key: open addressing with linear probing.
///
/// An entry is 8 bytes: 32 bits of the mixed key, and the slot. The key itself lies in a column by
/// slot, so that the table of entries stays small. Deletion shifts back; there are no tombstones,
/// and a table that has run for a year is as fast as a new one.
///
/// Four entries a slot: most runs of entries have length one then, so that a processor guesses
/// right where each ends. With half as many the whole cycle of a block takes 40 % longer.
///
/// Not for keys that are not hashes already: only a multiplication stands between key and place.
struct KeyIndex: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var tag: UInt32
    /// The slot's number plus one; 0 in an empty entry.
    var slotAfter: UInt32

    @inline(__always) var isEmpty: Bool { slotAfter == 0 }
    @inline(__always) var slot: Slot { Slot(slotAfter &- 1) }
  }

  private static var entriesPerKey: Int { 4 }
  /// A tag has 32 bits.
  private static var sizeLimit: Int { 1 << 32 }

  private var entries: Column<Entry>
  private let keys: Column<BlockKey>
  /// How many entries there are.
  private var size: Int
  /// Unknown to whoever chooses prompts, so that nobody can aim many keys at one place.
  private let seed: UInt64

  /// An index for slots `0..<capacity`, none of which is in use yet; see `reserve`.
  init(capacity: Int, seed: UInt64) {
    entries = Column(zeroed: 4)
    keys = Column(zeroed: capacity)
    size = 4
    self.seed = seed
  }

  deinit {
    entries.deallocate()
    keys.deallocate()
  }

  /// Makes room for so many keys at a time; must be called before they are inserted.
  ///
  /// - Complexity: O(entries) when the table grows, which doubles it; else O(1).
  mutating func reserve(_ keyCount: Int) {
    guard size < min(keyCount * Self.entriesPerKey, Self.sizeLimit) else { return }
    let old = entries
    // Doubled, so that many small steps cost no more than one; and no larger than is of use.
    size = min(
      max(keyCount * Self.entriesPerKey, size * 2), keys.count * Self.entriesPerKey, Self.sizeLimit)
    entries = Column(zeroed: size)
    for position in 0..<old.count where !old[position].isEmpty { place(old[position]) }
    old.deallocate()
  }

  /// The key that the slot is registered under, `.none` without one.
  @inline(__always)
  func key(of slot: Slot) -> BlockKey { keys[slot] }

  /// A key's hash: its high bits decide the entry, all of it is compared.
  @inline(__always)
  private func tag(of key: BlockKey) -> UInt32 {
    UInt32(truncatingIfNeeded: ((key.low ^ seed) &* 0x9E37_79B9_7F4A_7C15) >> 32)
  }

  @inline(__always)
  private func home(of tag: UInt32) -> Int { (Int(tag) &* size) >> 32 }

  /// The entry behind another; the first one is behind the last.
  @inline(__always)
  private func next(_ place: Int) -> Int {
    let next = place &+ 1
    return next == size ? 0 : next
  }

  /// How many steps lead from an entry to another.
  @inline(__always)
  private func distance(_ place: Int, _ other: Int) -> Int {
    let steps = other &- place
    return steps < 0 ? steps &+ size : steps
  }

  /// Begins to bring a key's entry near, for a call that follows soon.
  @inline(__always)
  func prefetch(_ key: BlockKey) { entries.prefetch(home(of: tag(of: key))) }

  /// - Complexity: O(1) expected; two cache misses on a hit, one on most misses.
  @inline(__always)
  func find(_ key: BlockKey) -> Slot? {
    let tag = tag(of: key)
    var place = home(of: tag)
    while true {
      let entry = entries[place]
      if entry.isEmpty { return nil }
      if entry.tag == tag, keys[entry.slot] == key { return entry.slot }
      place = next(place)
    }
  }

  /// The key must be absent and the slot unused; the caller has just looked.
  @inline(__always)
  mutating func insert(_ key: BlockKey, at slot: Slot) {
    assert(key != .none && keys[slot] == .none && find(key) == nil)
    place(Entry(tag: tag(of: key), slotAfter: slot.rawValue &+ 1))
    keys[slot] = key
  }

  @inline(__always)
  private func place(_ entry: Entry) {
    var place = home(of: entry.tag)
    while !entries[place].isEmpty { place = next(place) }
    entries[place] = entry
  }

  /// Forgets the slot's key, which must be there, and returns it.
  @inline(__always)
  @discardableResult
  mutating func remove(_ slot: Slot) -> BlockKey {
    let key = keys[slot]
    precondition(key != .none, "slot \(slot.rawValue) is not in the index")
    keys[slot] = .none
    var hole = home(of: tag(of: key))
    while entries[hole].slot != slot { hole = next(hole) }
    var place = next(hole)
    while !entries[place].isEmpty {
      // An entry may move back into the hole unless its home lies behind the hole.
      if distance(home(of: entries[place].tag), place) >= distance(hole, place) {
        entries[hole] = entries[place]
        hole = place
      }
      place = next(place)
    }
    entries[hole].slotAfter = 0
    return key
  }

  /// - Complexity: O(capacity).
  func checkInvariants() throws(BrokenInvariant) {
    var entryCount = 0
    for place in 0..<entries.count where !entries[place].isEmpty {
      entryCount += 1
      let key = keys[entries[place].slot]
      try require(tag(of: key) == entries[place].tag, "an entry's tag is not its key's")
      try require(find(key) == entries[place].slot, "a probe does not reach its entry")
    }
    var keyCount = 0
    for position in 0..<keys.count where keys[position] != .none { keyCount += 1 }
    try require(entryCount == keyCount, "\(entryCount) entries for \(keyCount) keys")
    try require(entryCount * 2 <= entries.count, "\(entryCount) keys in \(entries.count) entries")
  }
}
