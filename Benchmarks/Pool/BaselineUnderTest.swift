import BlockIdentity
import CBaseline

/// The same five steps, on the same keys, on `std::unordered_map` and `std::list`.
struct BaselineUnderTest: ~Copyable {
  private let pool: OpaquePointer
  private let capacity: Int
  private var keys: [baseline_key]
  private var slots: [UInt32]
  private var blocks: [OpaquePointer?]
  private var dice = Dice(seed: 1)
  private var storedCount = 0
  /// Blocks that should have been found and were not, or could not be stored.
  private(set) var missCount = 0

  init?(blockCount: Int) {
    guard let pool = baseline_new(blockCount) else { return nil }
    self.pool = pool
    capacity = blockCount
    keys = Array(repeating: baseline_key(high: 0, low: 0), count: batchSize)
    slots = Array(repeating: 0, count: batchSize)
    blocks = Array(repeating: nil, count: batchSize)
  }

  deinit { baseline_free(pool) }

  /// Stores until every slot is in use.
  mutating func fill() { while storedCount < capacity { store() } }

  private mutating func store() {
    for position in keys.indices { keys[position] = Self.key(storedCount &+ position) }
    missCount &+= batchSize &- baseline_allocate(pool, &slots, batchSize)
    baseline_register(pool, keys, slots, batchSize, &blocks)
    baseline_release(pool, &blocks, batchSize)
    storedCount &+= batchSize
  }

  private mutating func load() {
    for position in keys.indices {
      keys[position] = Self.key(storedCount &- 1 &- dice.below(capacity / 2))
    }
    let count = baseline_match(pool, keys, batchSize, &blocks)
    missCount &+= batchSize &- count
    baseline_release(pool, &blocks, count)
  }

  /// Matches, releases, allocates, registers and releases so many batches.
  mutating func cycle(batchCount: Int) {
    for _ in 0..<batchCount {
      load()
      store()
    }
  }

  @inline(__always)
  private static func key(_ number: Int) -> baseline_key {
    let key = KeyStream.key(number)
    return baseline_key(high: key.high, low: key.low)
  }
}
