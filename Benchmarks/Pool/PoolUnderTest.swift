import BlockIdentity
import BlockPolicy
import BlockPool

/// Blocks of a batch.
let batchSize = 64

/// A full pool, and the five steps that a block goes through, in batches.
///
/// Each new batch is one sequence. A batch of matches draws each block by itself from the warmer
/// half, so that all are resident and their memory is cold.
struct PoolUnderTest<Policy: EvictionPolicy & ~Copyable>: ~Copyable {
  var pool: BlockPool<Policy>
  private var batch = Batch()
  var dice = Dice(seed: 1)
  /// Blocks stored so far; the last `capacity` of them are resident.
  var storedCount = 0
  /// Blocks that should have been found and were not, or could not be stored.
  private(set) var missCount = 0

  init(blockCount: Int, _ policy: consuming Policy) {
    pool = BlockPool(capacity: blockCount, seed: 7, policy: policy)
    pool.addExtent(0..<UInt32(blockCount))
  }

  /// Stores until every slot is in use.
  mutating func fill() { while storedCount < pool.capacity { store() } }

  /// Allocates with eviction, registers and releases one batch.
  private mutating func store() {
    for position in batch.keys.indices {
      batch.keys[position] = KeyStream.key(storedCount &+ position)
    }
    missCount &+= Self.store(&batch.keys, &batch.blocks, &batch.evicted, in: &pool)
    storedCount &+= batchSize
  }

  /// Matches and releases one batch.
  private mutating func load() {
    for position in batch.keys.indices {
      batch.keys[position] = KeyStream.key(storedCount &- 1 &- dice.below(pool.capacity / 2))
    }
    missCount &+= Self.load(batch.keys, &batch.blocks, in: &pool)
  }

  /// Matches, releases, allocates, registers and releases so many batches.
  mutating func cycle(batchCount: Int) {
    for _ in 0..<batchCount {
      load()
      store()
    }
  }

  private static func store(
    _ keys: inout [BlockKey], _ blocks: inout [BlockID], _ evicted: inout [Evicted],
    in pool: inout BlockPool<Policy>
  ) -> Int {
    evicted.removeAll(keepingCapacity: true)
    do throws(PoolError) {
      var ids = blocks.mutableSpan
      try pool.allocate(into: &ids, partCount: 1, evicted: &evicted)
      try pool.register(&ids, as: keys.span, after: nil, filled: true)
      try pool.release(blocks.span)
      return 0
    } catch { return 1 }
  }

  private static func load(
    _ keys: [BlockKey], _ blocks: inout [BlockID], in pool: inout BlockPool<Policy>
  ) -> Int {
    var ids = blocks.mutableSpan
    let count = pool.matchPrefix(keys.span, into: &ids)
    do throws(PoolError) {
      try pool.release(blocks.span.extracting(0..<count))
      return batchSize - count
    } catch { return 1 }
  }
}

/// What a batch is made of; allocated once.
private struct Batch {
  var keys = [BlockKey](repeating: .none, count: batchSize)
  var blocks = [BlockID](repeating: .none, count: batchSize)
  var evicted: [Evicted] = []

  init() { evicted.reserveCapacity(batchSize) }
}
