import BlockEngine
import Testing

@Suite("Writes to disk")
struct WriteTests {
  @Test("A stored block is written behind, and found on disk")
  func writeThrough() throws {
    var rig = try Rig(disk: 4)
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(#require(rig.take().first))
    #expect(rig.counts(.host).pinned == 1, "the source of the write")
    #expect(rig.engine.pendingWriteCount == 1)
    guard case .write(let write, let record, _, _)? = rig.effects.last else { throw RigError() }
    #expect(record.key == key(0) && record.parentKey == root && record.position == 0)
    try rig.report(write)
    #expect(rig.counts(.host).cached == 1 && rig.counts(.disk).cached == 1)
    #expect(rig.engine.pendingWriteCount == 0)
    #expect(rig.effects.last == .stored(.disk, record))
  }

  @Test("Writes beyond their limit wait their turn, and are dropped beyond the queue's")
  func queue() throws {
    var rig = try Rig(disk: 8) {
      $0.writeLimit = 1
      $0.writeQueueLimit = 2
    }
    _ = try rig.store(request(1), keys(0..<5))
    for store in rig.take() { try rig.report(store) }
    #expect(rig.engine.pendingWriteCount == 3)
    #expect(rig.engine.counters.writesDropped == 2)
    try rig.finishAll()
    #expect(rig.engine.pendingWriteCount == 0 && rig.counts(.disk).cached == 3)
    // Another look at what was dropped gives it another chance.
    _ = try rig.store(request(1), keys(0..<5))
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 5)
  }

  @Test("A block that was evicted before its turn is passed over")
  func lapsed() throws {
    var rig = try Rig(host: 2, disk: 8) { $0.writeLimit = 1 }
    _ = try rig.store(request(1), keys(0..<2))
    for store in rig.take() { try rig.report(store) }
    let write = try #require(rig.take().last)
    // The second block waits unpinned, and has to go.
    _ = try rig.store(request(1), [key(0, sequence: 1)])
    try rig.report(write)
    #expect(rig.engine.counters.writesLapsed == 1)
    try rig.finishAll()
    #expect(rig.counts(.disk).cached == 2)
  }

  @Test("Without usable disk slots nothing is queued")
  func noDisk() throws {
    var rig = try Rig(disk: 0)
    _ = try rig.store(request(1), keys(0..<2))
    try rig.finishAll()
    #expect(rig.engine.pendingWriteCount == 0 && rig.engine.counters.writesDropped == 0)
  }

  @Test("A failed write leaves the block in the host tier and nothing on disk")
  func failure() throws {
    var rig = try Rig(disk: 4)
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(#require(rig.take().first))
    try rig.report(#require(rig.take().last), .failure)
    #expect(rig.counts(.host).cached == 1 && rig.counts(.disk).free == 4)
    #expect(rig.engine.counters.writesFailed == 1)
    // Another look at the block gives it another chance.
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(#require(rig.take().last))
    #expect(rig.counts(.disk).cached == 1)
  }

  @Test("A write that finds its source corrupt takes it out of the host tier")
  func corruptSource() throws {
    var rig = try Rig(disk: 4)
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(#require(rig.take().first))
    try rig.report(#require(rig.take().last), .corrupt)
    #expect(rig.counts(.host).free == 8 && rig.counts(.disk).free == 4)
  }

  @Test("A late write keeps its source pinned and its target out of use until it is reported")
  func late() throws {
    var rig = try Rig(disk: 4)
    _ = try rig.store(request(1), keys(0..<1))
    try rig.report(#require(rig.take().first))
    let write = try #require(rig.take().last)
    try rig.tick(after: rig.engine.limits.transferNanoseconds)
    #expect(rig.counts(.disk).quarantined == 1 && rig.counts(.host).pinned == 1)
    try rig.report(write)
    #expect(rig.counts(.disk).free == 4 && rig.counts(.host).cached == 1)
    #expect(rig.engine.counters.blocksWritten == 0)
  }

  @Test("A full disk evicts leaf-first, and what is loaded counts as used there")
  func diskEviction() throws {
    var rig = try Rig(disk: 3)
    for sequence in 0..<3 {
      _ = try rig.store(request(1), [key(0, sequence: sequence)])
      try rig.finishAll()
    }
    _ = try rig.match(request(2), [key(0, sequence: 0)])
    try rig.report(#require(try rig.commit(request(2), 1)))
    rig.engine.cancel(request(2))
    rig.effects = []
    _ = try rig.store(request(1), [key(0, sequence: 3)])
    try rig.report(#require(rig.take().first))
    let removed = rig.effects.compactMap { effect in
      if case .removed(.disk, let record, .evicted) = effect { record.key } else { nil }
    }
    #expect(removed == [key(0, sequence: 1)])
    #expect(rig.engine.counters.diskEvictions == 1)
  }
}
