import BlockPool
import Testing

@Suite("Eviction policies")
struct PolicyTests {
  @Test("LRU evicts what was used longest ago")
  func leastRecentlyUsed() throws {
    var pool = CheckedPool<LRU>(capacity: 3)
    for number in 0..<3 { try pool.store([key(number)]) }
    try pool.release(pool.match([key(0)]))
    let evicted = try pool.store([key(3)])
    #expect(evicted == [key(1)])
  }

  @Test("A touched block counts as used")
  func touched() throws {
    var pool = CheckedPool<LRU>(capacity: 2)
    for number in 0..<2 { try pool.store([key(number)]) }
    let block = pool.pool.block(for: key(0))
    try pool.pool.touch(#require(block))
    try pool.pool.checkInvariants()
    let evicted = try pool.store([key(2)])
    #expect(evicted == [key(1)])
  }

  @Test("A block goes only after its descendants")
  func leafFirst() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 4)
    try pool.store([key(0), key(1), key(2)])
    try pool.store([key(9)])
    // The root alone is used last by LRU's count, and yet its sequence goes from the tail.
    for (number, victim) in [(10, 2), (11, 1), (12, 0), (13, 9)] {
      let evicted = try pool.store([key(number)])
      #expect(evicted == [key(victim)])
    }
  }

  @Test("While all leaves are pinned, an inner block goes")
  func innerGoesLast() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 2)
    try pool.store([key(0), key(1)])
    let leaf = try pool.match([key(1)])
    let inner = try pool.store([key(2)])
    #expect(inner == [key(0)])
    try pool.release(leaf)
    let next = try pool.store([key(3)])
    #expect(next == [key(2)])
  }

  @Test("A child that registers before its parent, which is filling, still goes first")
  func childFirst() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 2)
    let blocks = try pool.allocate(2).blocks
    for block in blocks { _ = try pool.pool.fill(block, part: 0) }
    let child = try pool.pool.register(blocks[1], as: key(1), after: blocks[0])
    try pool.release([child])
    let parent = try pool.pool.register(blocks[0], as: key(0), after: nil)
    try pool.release([parent])
    let evicted = try pool.store([key(2)])
    #expect(evicted == [key(1)])
  }

  @Test("A parent that is given up leaves its children behind, and its slot starts anew")
  func lostParent() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 2)
    let blocks = try pool.allocate(2).blocks
    _ = try pool.pool.fill(blocks[1], part: 0)
    let child = try pool.pool.register(blocks[1], as: key(1), after: blocks[0])
    try pool.release([child])
    try pool.pool.discard(blocks[0])
    try pool.pool.checkInvariants()
    try pool.store([key(5)])
    let evicted = try pool.store([key(6)])
    #expect(evicted == [key(1)])
  }

  @Test("Lineage that becomes known late counts from then on")
  func linkedLate() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 3)
    let root = try pool.store(key(0), after: nil)
    let child = try pool.store(key(1), after: nil)
    pool.pool.link(child, after: root)
    pool.pool.link(child, after: root)
    pool.pool.link(root, after: root)
    try pool.pool.checkInvariants()
    try pool.store([key(2)])
    let evicted = try pool.store([key(3)])
    #expect(evicted == [key(1)])
  }

  /// Stores, uses and removes blocks by dice; returns what left, in order.
  private func play<Policy: EvictionPolicy & ~Copyable>(
    _ pool: consuming CheckedPool<Policy>
  ) throws -> [BlockKey] {
    var left: [BlockKey] = []
    var state: UInt64 = 3
    var last: BlockID?
    for number in 0..<2_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let name = BlockKey(high: 1, low: (state >> 33) % 40 &* 0x9E37_79B9_7F4A_7C15 | 1)
      pool.pool.advance(to: UInt64(number) << 24)
      if let block = pool.pool.block(for: name) {
        if state >> 60 == 0 { try pool.pool.remove(block) } else { try pool.pool.touch(block) }
        continue
      }
      guard pool.pool.admit([name].span, after: nil) == 1 else { continue }
      let taken = try pool.allocate(1)
      left += taken.evicted
      _ = try pool.pool.fill(taken.blocks[0], part: 0)
      let parent = state >> 59 & 1 == 0 ? last : nil
      last = try pool.pool.register(taken.blocks[0], as: name, after: parent)
      try pool.release(taken.blocks)
    }
    #expect(left.count > 500)
    return left
  }

  @Test("A tier does what the policy does that it was set to", arguments: EvictionChoice.allCases)
  func chosen(_ choice: EvictionChoice) throws {
    let tier = try play(CheckedPool(capacity: 12, policy: TierPolicy(choice, capacity: 12)))
    let alone =
      switch choice {
      case .lru: try play(CheckedPool<LRU>(capacity: 12))
      case .leafFirst: try play(CheckedPool<LeafFirst>(capacity: 12))
      case .forecast: try play(CheckedPool<Forecast>(capacity: 12))
      }
    #expect(tier == alone)
  }
}
