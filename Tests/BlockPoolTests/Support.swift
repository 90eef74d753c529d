import BlockPool

/// A small pool that is called block by block, checked after every change.
struct CheckedPool<Policy: EvictionPolicy & ~Copyable>: ~Copyable {
  var pool: BlockPool<Policy>

  /// All slots are usable and free.
  init(capacity: Int) { self.init(capacity: capacity, policy: Policy(capacity: capacity)) }

  /// As above, with a policy that was made for it.
  init(capacity: Int, policy: consuming Policy) {
    pool = BlockPool(capacity: capacity, seed: 11, policy: policy)
    pool.addExtent(0..<UInt32(capacity))
  }

  mutating func allocate(_ count: Int, partCount: Int = 1) throws -> (
    blocks: [BlockID], evicted: [BlockKey]
  ) {
    var blocks = [BlockID](repeating: .none, count: count)
    var evicted: [Evicted] = []
    var ids = blocks.mutableSpan
    try pool.allocate(into: &ids, partCount: partCount, evicted: &evicted)
    try pool.checkInvariants()
    return (blocks, evicted.map(\.key))
  }

  /// Stores a sequence and leaves it cached; returns what had to go for it.
  @discardableResult
  mutating func store(_ keys: [BlockKey]) throws -> [BlockKey] {
    var (blocks, evicted) = try allocate(keys.count)
    var ids = blocks.mutableSpan
    try pool.register(&ids, as: keys.span, after: nil, filled: true)
    try pool.checkInvariants()
    try pool.release(blocks.span)
    try pool.checkInvariants()
    return evicted
  }

  mutating func match(_ keys: [BlockKey]) throws -> [BlockID] {
    var blocks = [BlockID](repeating: .none, count: keys.count)
    var ids = blocks.mutableSpan
    let count = pool.matchPrefix(keys.span, into: &ids)
    try pool.checkInvariants()
    return Array(blocks[..<count])
  }

  mutating func release(_ blocks: [BlockID]) throws {
    try pool.release(blocks.span)
    try pool.checkInvariants()
  }

  /// Stores one block whose parent is given by key.
  mutating func store(_ key: BlockKey, after parent: BlockID?) throws -> BlockID {
    let block = try allocate(1).blocks[0]
    _ = try pool.fill(block, part: 0)
    let registered = try pool.register(block, as: key, after: parent)
    try pool.release(registered)
    try pool.checkInvariants()
    return registered
  }
}

/// Keys that all want the same place in the index, and neighbours of those.
func key(_ number: Int) -> BlockKey {
  BlockKey(high: UInt64(number) + 1, low: UInt64(number % 3) << 40)
}
