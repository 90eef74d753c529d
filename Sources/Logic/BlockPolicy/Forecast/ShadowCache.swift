/// A cache that holds names only, to see what a plain policy would have made of the same requests.
///
/// Entries have levels; the oldest of the lowest level goes first. With one level that is LRU, with
/// many and a level a use LFU.
struct ShadowCache: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var tag: UInt32
    var level: UInt32
    /// The next entry of the same bucket, plus one.
    var next: UInt32
  }

  private let entries: Column<Entry>
  /// By hash: the first entry, plus one.
  private let buckets: Column<UInt32>
  private var order: SlotLists
  private let capacity: Int
  private let levelMax: Int
  private var count = 0

  /// An empty cache for so many names, at least one.
  init(capacity: Int, levelCount: Int) {
    precondition(capacity > 0, "a cache has room for a name")
    self.capacity = capacity
    levelMax = levelCount - 1
    entries = Column(zeroed: capacity)
    var bucketCount = 1
    while bucketCount < capacity { bucketCount *= 2 }
    buckets = Column(zeroed: bucketCount)
    order = SlotLists(capacity: capacity, listCount: levelCount)
  }

  deinit {
    entries.deallocate()
    buckets.deallocate()
  }

  private func bucket(of tag: UInt32) -> Int {
    Int((tag &* 0x9E37_79B9) >> 8) & (buckets.count - 1)
  }

  /// Whether the name is there; it is afterwards, as what was used last.
  mutating func use(_ tag: UInt32) -> Bool {
    let bucket = bucket(of: tag)
    var found = buckets[bucket]
    while found != 0, entries[Int(found) - 1].tag != tag { found = entries[Int(found) - 1].next }
    if found != 0 {
      let slot = Slot(found - 1)
      order.unlink(slot)
      let level = min(levelMax, Int(entries[slot].level) + 1)
      entries[slot].level = UInt32(truncatingIfNeeded: level)
      order.insert(slot, warmIn: level)
      return true
    }
    let slot = takeSlot()
    entries[slot] = Entry(tag: tag, level: 0, next: buckets[bucket])
    buckets[bucket] = slot.rawValue + 1
    order.insert(slot, warmIn: 0)
    return false
  }

  /// An unused slot, or that of what goes first.
  private mutating func takeSlot() -> Slot {
    if count < capacity {
      count += 1
      return Slot(index: count - 1)
    }
    var level = 0
    while true {
      if let slot = order.coldest(of: level) {
        order.unlink(slot)
        forget(slot)
        return slot
      }
      level += 1
    }
  }

  private mutating func forget(_ slot: Slot) {
    let bucket = bucket(of: entries[slot].tag)
    guard buckets[bucket] != slot.rawValue + 1 else {
      buckets[bucket] = entries[slot].next
      return
    }
    var before = Int(buckets[bucket]) - 1
    while entries[before].next != slot.rawValue + 1 { before = Int(entries[before].next) - 1 }
    entries[before].next = entries[slot].next
  }
}
