import Testing

@testable import BlockPool

@Suite("BlockPool")
struct BlockPoolTests {
  @Test("A block registers when its last part succeeded, in any order", arguments: [1, 2, 32])
  func parts(partCount: Int) throws {
    var pool = CheckedPool<LRU>(capacity: 1)
    let block = try pool.allocate(1, partCount: partCount).blocks[0]
    for part in (1..<partCount).reversed() {
      let isComplete = try pool.pool.fill(block, part: part)
      let isCompleteAgain = try pool.pool.fill(block, part: part)
      #expect(!isComplete && !isCompleteAgain, "a part that is told twice counts once")
      let error = #expect(throws: PoolError.self) {
        try pool.pool.register(block, as: key(0), after: nil)
      }
      #expect(error == .incomplete(missingParts: UInt32(1) << UInt32(part) - 1))
    }
    let isComplete = try pool.pool.fill(block, part: 0)
    #expect(isComplete)
    let registered = try pool.pool.register(block, as: key(0), after: nil)
    #expect(registered == block)
    #expect(pool.pool.counts == SlotCounts(pinned: 1))
  }

  @Test("Registering a resident key gives the resident block, and frees the new one")
  func duplicate() throws {
    var pool = CheckedPool<LRU>(capacity: 2)
    let blocks = try pool.allocate(2).blocks
    for block in blocks { _ = try pool.pool.fill(block, part: 0) }
    let first = try pool.pool.register(blocks[0], as: key(0), after: nil)
    let second = try pool.pool.register(blocks[1], as: key(0), after: nil)
    #expect(second == first)
    #expect(pool.pool.counts == SlotCounts(free: 1, pinned: 1))
    try pool.release([first, first])
    #expect(pool.pool.counts == SlotCounts(free: 1, cached: 1))
  }

  @Test("An allocation that cannot be had whole evicts nothing")
  func allOrNothing() throws {
    var pool = CheckedPool<LRU>(capacity: 3)
    try pool.store([key(0), key(1), key(2)])
    let held = try pool.match([key(0)])
    let error = #expect(throws: PoolError.self) { _ = try pool.allocate(3) }
    #expect(error == .exhausted(wanted: 3, available: 2))
    let all = try pool.match([key(0), key(1), key(2)])
    #expect(all.count == 3)
    #expect(held.count == 1)
  }

  @Test("An id goes stale when its block leaves, and never names the next one")
  func generations() throws {
    var pool = CheckedPool<LRU>(capacity: 1)
    try pool.store([key(0)])
    let resident = pool.pool.block(for: key(0))
    let old = try #require(resident)
    let evicted = try pool.store([key(1)])
    #expect(evicted == [key(0)])
    #expect(pool.pool.key(of: old) == nil)
    #expect(throws: PoolError.stale(old)) { try pool.pool.pin(old) }
    #expect(throws: PoolError.stale(old)) { try pool.pool.touch(old) }
    #expect(throws: PoolError.notPinned(old)) { try pool.pool.release(old) }
    #expect(throws: PoolError.stale(old)) { try pool.pool.discard(old) }
    #expect(throws: PoolError.stale(old)) { try pool.pool.remove(old) }
  }

  @Test("An id of another pool, or of none, is stale and not out of bounds")
  func foreign() throws {
    var pool = CheckedPool<LRU>(capacity: 1)
    for id in [BlockID.none, BlockID(slot: Slot(7), generation: 1)] {
      #expect(throws: PoolError.stale(id)) { try pool.pool.pin(id) }
      #expect(throws: PoolError.notPinned(id)) { try pool.pool.release(id) }
      #expect(pool.pool.isHeld(id) == false)
    }
    #expect(BlockID(rawValue: BlockID(slot: Slot(7), generation: 9).rawValue).generation == 9)
  }

  @Test("A removed block is found no more, and its slot is free at its last release")
  func remove() throws {
    var pool = CheckedPool<LeafFirst>(capacity: 2)
    try pool.store([key(0), key(1)])
    let held = try pool.match([key(0), key(1)])
    try pool.pool.remove(held[0])
    let found = try pool.match([key(0)])
    #expect(found.isEmpty)
    #expect(pool.pool.counts == SlotCounts(pinned: 2))
    try pool.release(held)
    #expect(pool.pool.counts == SlotCounts(free: 1, cached: 1))
  }

  @Test("A quarantined slot is out of use until it is discarded")
  func quarantine() throws {
    var pool = CheckedPool<LRU>(capacity: 1)
    let block = try pool.allocate(1, partCount: 2).blocks[0]
    #expect(throws: PoolError.notPinned(block)) { try pool.pool.release(block) }
    try pool.pool.quarantine(block)
    #expect(throws: PoolError.notPinned(block)) { try pool.pool.release(block) }
    #expect(pool.pool.isHeld(block) == true)
    #expect(throws: PoolError.stale(block)) { _ = try pool.pool.fill(block, part: 0) }
    #expect(throws: PoolError.exhausted(wanted: 1, available: 0)) { _ = try pool.allocate(1) }
    try pool.pool.discard(block)
    #expect(pool.pool.counts == SlotCounts(free: 1))
  }

  @Test("A block that is dropped before it is registered gives its slot back")
  func droppedHandle() throws {
    let table = SlotTable(capacity: 1)
    table.back(Slot(0))
    do { _ = table.takeFree()?.begin(partCount: 2) }
    #expect(table.counts == SlotCounts(free: 1))
    table.deallocate()
  }

  @Test("Generations pass the end of their range without ever being 0")
  func generationEnd() throws {
    var pool = CheckedPool<LRU>(capacity: 1)
    pool.pool.table.marks[0].generation = .max - 1
    let first = try pool.allocate(1).blocks[0]
    try pool.pool.discard(first)
    let second = try pool.allocate(1).blocks[0]
    try pool.pool.discard(second)
    let third = try pool.allocate(1).blocks[0]
    #expect([first, second, third].map(\.generation) == [.max - 1, .max, 1])
  }

  @Test("The index finds every key through growth and removal, whatever keys collide")
  func index() throws {
    var index = KeyIndex(capacity: 600, seed: 3)
    for number in 0..<600 {
      if number % 50 == 0 { index.reserve(number + 50) }
      index.insert(key(number), at: Slot(index: number))
    }
    try index.checkInvariants()
    for number in stride(from: 0, to: 600, by: 2) { index.remove(Slot(index: number)) }
    try index.checkInvariants()
    for number in 0..<600 {
      #expect(index.find(key(number)) == (number % 2 == 0 ? nil : Slot(index: number)))
    }
  }
}

@Suite("Misuse of a BlockPool traps")
struct BlockPoolTraps {
  @Test("A block without parts")
  func noParts() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var pool = BlockPool<LRU>(capacity: 1, seed: 0)
      pool.addExtent(0..<1)
      var evicted: [Evicted] = []
      _ = try pool.allocate(partCount: 33, evicted: &evicted)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a block has 1 to 32 parts"))
  }

  @Test("An extent beyond the pool")
  func beyond() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var pool = BlockPool<LRU>(capacity: 1, seed: 0)
      pool.addExtent(0..<2)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("beyond the pool's"))
  }

  @Test("An extent that is there already")
  func twice() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var pool = BlockPool<LRU>(capacity: 4, seed: 0)
      pool.addExtent(0..<2)
      pool.addExtent(1..<4)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("slot 1 is usable already"))
  }

  @Test("A negative capacity")
  func capacity() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = BlockPool<LRU>(capacity: -1, seed: 0)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a pool has 0 to"))
  }
}
