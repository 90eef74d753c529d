import BlockPool
import Testing

@Suite("Extents of a BlockPool")
struct ExtentTests {
  @Test("A new pool has no usable slot, and its slots come with extents, first ones first")
  func adding() throws {
    var pool = BlockPool<LeafFirst>(capacity: 8, seed: 1)
    #expect(pool.counts == SlotCounts(absent: 8))
    var evicted: [Evicted] = []
    #expect(throws: PoolError.exhausted(wanted: 1, available: 0)) {
      _ = try pool.allocate(partCount: 1, evicted: &evicted)
    }
    pool.addExtent(4..<6)
    try pool.checkInvariants()
    let blocks = try (0..<2).map { _ in try pool.allocate(partCount: 1, evicted: &evicted) }
    #expect(blocks.map(\.slot) == [Slot(4), Slot(5)])
    #expect(pool.counts == SlotCounts(absent: 6, filling: 2))
  }

  @Test("Adopted blocks are found and cached, and the other slots are free")
  func adopting() throws {
    var pool = BlockPool<LeafFirst>(capacity: 6, seed: 1)
    pool.addExtent(0..<6) { $0.rawValue % 2 == 0 ? key(Int($0.rawValue)) : nil }
    try pool.checkInvariants()
    #expect(pool.counts == SlotCounts(free: 3, cached: 3))
    #expect(pool.block(for: key(4))?.slot == Slot(4))
  }

  @Test("A retired extent is empty and its ids are stale; brought back, it starts anew")
  func retiring() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 4)
    try pool.store([key(0), key(1), key(2)])
    let resident = pool.pool.block(for: key(0))
    let old = try #require(resident)
    var evicted: [Evicted] = []
    let isRetired = pool.pool.retireExtent(0..<2, evicted: &evicted)
    #expect(isRetired)
    try pool.pool.checkInvariants()
    #expect(Set(evicted.map(\.key)) == [key(0), key(1)])
    #expect(pool.pool.counts == SlotCounts(absent: 2, free: 1, cached: 1))
    #expect(pool.pool.key(of: old) == nil && !pool.pool.isHeld(old))
    pool.pool.addExtent(0..<2)
    try pool.pool.checkInvariants()
    let fresh = try pool.store(key(5), after: nil)
    #expect(fresh.slot != old.slot || fresh.generation > old.generation)
    #expect(pool.pool.key(of: old) == nil)
  }

  @Test("Nothing changes while a slot of the extent is in use")
  func inUse() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 4)
    try pool.store([key(0), key(1)])
    let filling = try pool.allocate(1).blocks[0]
    var evicted: [Evicted] = []
    for _ in 0..<3 {
      let before = pool.pool.counts
      let isRetired = pool.pool.retireExtent(0..<4, evicted: &evicted)
      #expect(!isRetired && evicted.isEmpty && pool.pool.counts == before)
      try pool.pool.checkInvariants()
      if pool.pool.counts.filling == 1 {
        try pool.pool.quarantine(filling)
      } else if pool.pool.counts.quarantined == 1 {
        try pool.pool.discard(filling)
        _ = try pool.match([key(0)])
      }
    }
  }

  @Test("Residents go in the order of their use, and before what was used since")
  func cooling() throws {
    var pool = BlockPool<LRU>(capacity: 4, seed: 1)
    pool.addExtent(0..<4) { key(Int($0.rawValue)) }
    let found = (0..<4).compactMap { pool.block(for: key($0)) }
    try pool.touch(found[2])
    // Last used: 1 before 3 before 0; 2 was used since the scan.
    for number in [0, 3, 1, 2] { pool.coolUntouched(found[number]) }
    try pool.checkInvariants()
    var evicted: [Evicted] = []
    for _ in 0..<4 { _ = try pool.allocate(partCount: 1, evicted: &evicted) }
    #expect(evicted.map(\.key) == [1, 3, 0, 2].map(key))
  }

  @Test("A pool for a hundred million slots is made at once")
  func lazy() throws {
    let start = ContinuousClock.now
    var pool = BlockPool<LeafFirst>(capacity: 100_000_000, seed: 1)
    pool.addExtent(0..<16)
    var evicted: [Evicted] = []
    _ = try pool.allocate(partCount: 1, evicted: &evicted)
    #expect(pool.counts.usable == 16)
    #expect(ContinuousClock.now - start < .seconds(1))
  }
}
