/// A prompt's last tokens, which fill no block: a block under a request's own name, between its
/// producer and those consumers that were told the scope.
///
/// Nobody else finds it. It lies in host memory alone, and goes when its lease ends.
public struct Tail: Hashable, Sendable {
  /// The key that the tokens would have if they filled a block: hashed after the key before them.
  public let key: BlockKey
  /// What producer and consumers share: 16 random bytes, drawn for one transfer.
  public let scope: BlockKey

  /// The tail of a key in a scope; neither may be `BlockKey.none`.
  public init(key: BlockKey, scope: BlockKey) {
    self.key = key
    self.scope = scope
  }

  /// What it is called in a pool. Keys are hashes and scopes are random, so no sequence's key is
  /// ever equal to it.
  var name: BlockKey { BlockKey(high: key.high ^ scope.high, low: key.low ^ scope.low) }
}

/// The tails that are expected, stored or on their way, by name.
struct TailTable {
  struct Entry {
    let namespace: NamespaceID
    let producer: RequestID
    var until: Time
  }

  private var values: [BlockKey: Entry] = [:]
  /// In the order of their first announcement, for a dictionary's order is not the seed's.
  private(set) var names: [BlockKey] = []
  private let capacity: Int
  /// No lease ends before this moment.
  private(set) var nextEnd = Time(nanoseconds: .max)

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { names.count }
  var isEmpty: Bool { names.isEmpty }

  subscript(name: BlockKey) -> Entry? { values[name] }

  /// Enters a tail, or its producer's new lease; false when the table is full, or it is another's.
  mutating func insert(_ name: BlockKey, _ entry: Entry) -> Bool {
    if let known = values[name] {
      guard known.producer == entry.producer, known.namespace == entry.namespace else {
        return false
      }
    } else {
      guard names.count < capacity else { return false }
      names.append(name)
    }
    values[name] = entry
    nextEnd = min(nextEnd, entry.until)
    return true
  }

  /// Takes out those that `isOver` chooses, in order.
  mutating func remove(where isOver: (Entry) -> Bool) -> [(BlockKey, Entry)] {
    var removed: [(BlockKey, Entry)] = []
    var kept: [BlockKey] = []
    nextEnd = Time(nanoseconds: .max)
    for name in names {
      guard let entry = values[name] else { continue }
      if isOver(entry) {
        removed.append((name, entry))
        values[name] = nil
      } else {
        kept.append(name)
        nextEnd = min(nextEnd, entry.until)
      }
    }
    names = kept
    return removed
  }
}
