/// Host blocks that wait to be written to disk, first come, first served; a ring of fixed size.
///
/// The references are weak: a block that waits can be evicted, and is then passed over.
struct WriteQueue {
  struct Entry {
    let classID: ClassID
    let block: BlockID
    /// The use that the block came with.
    let use: Int?
  }

  private var entries: [Entry] = []
  private var first = 0
  private(set) var count = 0
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  /// Adds an entry; false when the queue is full.
  mutating func push(_ entry: Entry) -> Bool {
    guard count < capacity else { return false }
    let place = (first + count) % capacity
    // The ring is filled the first time round in order, so it grows only at its end.
    if place == entries.count { entries.append(entry) } else { entries[place] = entry }
    count += 1
    return true
  }

  /// Calls `body` for each entry that waits, in order.
  func visit(_ body: (Entry) -> Void) {
    for place in 0..<count { body(entries[(first + place) % capacity]) }
  }

  mutating func pop() -> Entry? {
    guard count > 0 else { return nil }
    let entry = entries[first]
    first = (first + 1) % capacity
    count -= 1
    return entry
  }
}
