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

  @Test("Everything is admitted by AdmitAll")
  func admission() {
    var policy: any AdmissionPolicy = AdmitAll()
    let isAdmitted = policy.admits(key(0))
    #expect(isAdmitted)
  }
}
