/// What is believed of keys in the object store: there, or not there until a time; all others are
/// unknown. Of a fixed size: the key that was entered first is forgotten first.
///
/// - Complexity: O(1) for every call.
struct KeyMemory {
  private struct Entry {
    var key: BlockKey
    /// Nil while the key is believed to be there.
    var absentUntil: UInt64?
  }

  private var entries: [Entry] = []
  private var places: [BlockKey: Int] = [:]
  private var next = 0
  private let capacity: Int

  /// - Parameter capacity: Keys at a time, positive.
  init(capacity: Int) { self.capacity = capacity }

  /// Keys that something is believed of.
  var count: Int { places.count }

  func isStored(_ key: BlockKey) -> Bool {
    places[key].map { entries[$0].absentUntil == nil } ?? false
  }

  func isAbsent(_ key: BlockKey, _ now: UInt64) -> Bool {
    places[key].flatMap { entries[$0].absentUntil }.map { now < $0 } ?? false
  }

  mutating func noteStored(_ key: BlockKey) { enter(Entry(key: key, absentUntil: nil)) }

  mutating func noteAbsent(_ key: BlockKey, until end: UInt64) {
    enter(Entry(key: key, absentUntil: end))
  }

  private mutating func enter(_ entry: Entry) {
    if let place = places[entry.key] {
      entries[place] = entry
    } else if entries.count < capacity {
      places[entry.key] = entries.count
      entries.append(entry)
    } else {
      places[entries[next].key] = nil
      places[entry.key] = next
      entries[next] = entry
      next = (next + 1) % capacity
    }
  }
}
