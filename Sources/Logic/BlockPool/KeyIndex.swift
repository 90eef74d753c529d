import CHint

/// Finds a registered block's slot by its key: open addressing by buckets of a cache line.
///
/// A bucket has room for twelve blocks: a byte of each one's hash, the *tag*, and its slot. All
/// tags of a bucket are compared at once, so a processor has nothing to guess but whether a tag is
/// there. The keys themselves lie in a column by slot, so that the buckets stay small: about 9
/// bytes a slot.
///
/// What finds its bucket full goes on to the next one, and each bucket counts how many have passed
/// it; a search ends where nobody has. So nothing is moved when a key leaves, and there are no
/// tombstones: a table that has run for a year is as fast as a new one.
///
/// Not for keys that are not hashes already: only a multiplication stands between key and place.
struct KeyIndex: ~Copyable {
  private struct Bucket: BitwiseCopyable {
    /// Twelve tags, 0 where there is no block; and in the byte behind them how many have passed.
    var tags: (low: UInt64, high: UInt64)
    /// By place; of meaning where there is a tag.
    var slots: InlineArray<12, UInt32>

    /// The places with a tag: a bit for each.
    @inline(__always)
    func places(of tag: UInt8) -> UInt32 {
      chint_equal_bytes(tags.low, tags.high, tag) & 0xfff
    }

    /// How many blocks found this bucket full; stays at 255.
    @inline(__always) var passedCount: UInt8 { UInt8(truncatingIfNeeded: tags.high >> 32) }

    mutating func countPassed(up: Bool) {
      guard passedCount < .max else { return }
      tags.high = up ? tags.high &+ 1 << 32 : tags.high &- 1 << 32
    }

    /// Puts a tag in a place that has none, or takes it out of there again.
    @inline(__always)
    mutating func flip(_ tag: UInt8, at place: Int) {
      let bits = UInt64(tag) &<< UInt64(8 &* (place & 7))
      if place < 8 { tags.low ^= bits } else { tags.high ^= bits }
    }
  }

  /// A key's place: its bucket and tag.
  private struct Home {
    var bucket: Int
    var tag: UInt8
  }

  /// Few enough that one bucket in forty is full.
  private static var keysPerBucket: Int { 7 }

  private var buckets: Column<Bucket>
  private let keys: Column<BlockKey>
  /// How many buckets there are.
  private var size: Int
  /// Unknown to whoever chooses prompts, so that nobody can aim many keys at one place.
  private let seed: UInt64

  /// An index for slots `0..<capacity`, none of which is in use yet; see `reserve`.
  init(capacity: Int, seed: UInt64) {
    buckets = Column(zeroed: 1)
    keys = Column(zeroed: capacity)
    size = 1
    self.seed = seed
  }

  deinit {
    buckets.deallocate()
    keys.deallocate()
  }

  /// Makes room for so many keys at a time; must be called before they are inserted.
  ///
  /// - Complexity: O(slots) when the table grows, which doubles it; else O(1).
  mutating func reserve(_ keyCount: Int) {
    let wanted = Self.bucketCount(keyCount)
    guard size < wanted else { return }
    let old = buckets
    // Doubled, so that many small steps cost no more than one; and no larger than is of use.
    size = max(wanted, min(size * 2, Self.bucketCount(keys.count)))
    buckets = Column(zeroed: size)
    for position in 0..<old.count {
      var places = ~old[position].places(of: 0) & 0xfff
      while places != 0 {
        let slot = Slot(old[position].slots[places.trailingZeroBitCount])
        place(slot, at: home(of: keys[slot]))
        places &= places &- 1
      }
    }
    old.deallocate()
  }

  private static func bucketCount(_ keyCount: Int) -> Int {
    (keyCount + keysPerBucket - 1) / keysPerBucket
  }

  /// The key that the slot is registered under, `.none` without one.
  @inline(__always)
  func key(of slot: Slot) -> BlockKey { keys[slot] }

  /// The high bits of a key's hash decide the bucket, those below the tag.
  @inline(__always)
  private func home(of key: BlockKey) -> Home {
    let hash = (key.low ^ seed) &* 0x9E37_79B9_7F4A_7C15
    let bucket = (Int(truncatingIfNeeded: hash >> 32) &* size) >> 32
    return Home(bucket: bucket, tag: max(1, UInt8(truncatingIfNeeded: hash >> 24)))
  }

  /// The bucket behind another; the first one is behind the last.
  @inline(__always)
  private func next(_ bucket: Int) -> Int {
    let next = bucket &+ 1
    return next == size ? 0 : next
  }

  /// Begins to bring a key's bucket near, for a call that follows soon.
  @inline(__always)
  func prefetch(_ key: BlockKey) { buckets.prefetch(home(of: key).bucket) }

  /// The slot that a key most likely has, without a look at its key; nil when that is not soon
  /// told.
  @inline(__always)
  func guess(_ key: BlockKey) -> Slot? {
    let home = home(of: key)
    let places = buckets[home.bucket].places(of: home.tag)
    return places == 0 ? nil : Slot(buckets[home.bucket].slots[places.trailingZeroBitCount])
  }

  /// Begins to bring a slot's key near.
  @inline(__always)
  func prefetchKey(of slot: Slot) { keys.prefetch(slot.index) }

  /// - Complexity: O(1) expected; two cache misses on a hit, one on most misses.
  @inline(__always)
  func find(_ key: BlockKey) -> Slot? {
    let home = home(of: key)
    var bucket = home.bucket
    while true {
      var places = buckets[bucket].places(of: home.tag)
      while places != 0 {
        let slot = Slot(buckets[bucket].slots[places.trailingZeroBitCount])
        if keys[slot] == key { return slot }
        places &= places &- 1
      }
      if buckets[bucket].passedCount == 0 { return nil }
      bucket = next(bucket)
      // Once round: counts that stay at their end may lead past every bucket.
      if bucket == home.bucket { return nil }
    }
  }

  /// The key must be absent and the slot unused; the caller has just looked.
  @inline(__always)
  mutating func insert(_ key: BlockKey, at slot: Slot) {
    assert(key != .none && keys[slot] == .none && find(key) == nil)
    place(slot, at: home(of: key))
    keys[slot] = key
  }

  @inline(__always)
  private func place(_ slot: Slot, at home: Home) {
    var bucket = home.bucket
    while true {
      let places = buckets[bucket].places(of: 0)
      guard places == 0 else {
        let place = places.trailingZeroBitCount
        buckets[bucket].flip(home.tag, at: place)
        buckets[bucket].slots[place] = slot.rawValue
        return
      }
      buckets[bucket].countPassed(up: true)
      bucket = next(bucket)
    }
  }

  /// Forgets the slot's key, which must be there, and returns it.
  @inline(__always)
  @discardableResult
  mutating func remove(_ slot: Slot) -> BlockKey {
    let key = keys[slot]
    precondition(key != .none, "slot \(slot.rawValue) is not in the index")
    keys[slot] = .none
    let home = home(of: key)
    var bucket = home.bucket
    while true {
      var places = buckets[bucket].places(of: home.tag)
      while places != 0 {
        let place = places.trailingZeroBitCount
        if buckets[bucket].slots[place] == slot.rawValue {
          buckets[bucket].flip(home.tag, at: place)
          return key
        }
        places &= places &- 1
      }
      buckets[bucket].countPassed(up: false)
      bucket = next(bucket)
    }
  }

  /// - Complexity: O(capacity).
  func checkInvariants() throws(BrokenInvariant) {
    var entryCount = 0
    for position in 0..<buckets.count {
      var places = ~buckets[position].places(of: 0) & 0xfff
      entryCount += places.nonzeroBitCount
      while places != 0 {
        let place = places.trailingZeroBitCount
        let slot = Slot(buckets[position].slots[place])
        let key = keys[slot]
        let isTagged = buckets[position].places(of: home(of: key).tag) & 1 << UInt32(place) != 0
        try require(isTagged, "a tag is not its key's")
        try require(find(key) == slot, "a search does not reach its slot")
        places &= places &- 1
      }
    }
    var keyCount = 0
    for position in 0..<keys.count where keys[position] != .none { keyCount += 1 }
    try require(entryCount == keyCount, "\(entryCount) entries for \(keyCount) keys")
    let limit = Self.keysPerBucket * buckets.count
    try require(entryCount <= limit, "\(entryCount) keys in \(buckets.count) buckets")
  }
}
