import Glibc
import KVBMTesting
import KVLayout
import Testing

@testable import DiskTier

@Suite("Disk store: blocks go and come back")
struct DiskStoreTests {
  @Test(
    "A block comes back as it was, with and without direct I/O",
    arguments: Drivers.all, [true, false])
  func roundTrip(driver: DiskOptions.Driver, direct: Bool) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let store = try DiskStore.test(directory, outcomes, driver) {
      $0.useDirectIO = direct
      $0.flush = direct ? .each : .never
    }
    #expect(direct || !store.supportsDirectIO)
    // What goes through the page cache says nothing of the disk.
    #expect(store.trialReads.isEmpty == !store.supportsDirectIO)
    #expect(store.trialReads.allSatisfy { $0.bytes >= 4096 && $0.nanoseconds > 0 })
    let shape = try smallShape()
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    for number in 0..<UInt64(extent.slotCount) {
      #expect(
        try store.writeAndWait(outcomes, ticket: number, extent, Int(number), number) == .success)
    }
    for number in 0..<UInt64(extent.slotCount) {
      let (outcome, found) = try store.readAndWait(
        outcomes, ticket: 1000 + number, extent, Int(number), number)
      #expect(outcome == .success)
      #expect(found.payload == (try BlockMemory(shape, number).payload))
    }
  }

  @Test(
    "After a restart a scan finds every block, and sequences go on rising",
    arguments: Drivers.all)
  func restart(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let shape = try smallShape()
    var highest: UInt64 = 0
    var id = ""
    do {
      let outcomes = Outcomes()
      let store = try DiskStore.test(directory, outcomes, driver)
      id = store.storeID
      let extent = try store.createExtent(slotBytes: shape.slotBytes)
      for (ticket, slot) in [0, 3, 5].enumerated() {
        #expect(
          try store.writeAndWait(outcomes, ticket: UInt64(ticket), extent, slot, UInt64(slot) + 10)
            == .success)
      }
      store.close()
    }
    let outcomes = Outcomes()
    let store = try DiskStore.test(directory, outcomes, driver)
    #expect(store.storeID == id && id.utf8.count == 32)
    #expect(store.warnings.isEmpty)
    let extent = try #require(store.extents.first)
    let scan = store.scan(extent)
    #expect(scan.blocks.map(\.slot) == [0, 3, 5])
    #expect(scan.occupiedSlots.isEmpty && scan.damagedCount == 0)
    for block in scan.blocks {
      var expected = sampleDescription(shape, UInt64(block.slot) + 10)
      #expect(block.description.writeSequence > highest)
      highest = block.description.writeSequence
      expected.writeSequence = highest
      #expect(block.description == expected)
      let (outcome, found) = try store.readAndWait(
        outcomes, ticket: highest, extent, block.slot, UInt64(block.slot) + 10)
      #expect(outcome == .success)
      #expect(found.payload == (try BlockMemory(shape, UInt64(block.slot) + 10).payload))
    }
    #expect(try store.writeAndWait(outcomes, ticket: 1, extent, 1, 99) == .success)
    #expect(store.scan(extent).blocks[1].description.writeSequence > highest)
  }

  @Test(
    "A sequence from a clock that was set back is caught up with by the scan",
    arguments: Drivers.all)
  func clockSetBack(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let store = try DiskStore.test(directory, outcomes, driver)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let block = try BlockMemory(shape, 1)
    var future = sampleDescription(shape, 1)
    future.writeSequence = 1 << 62
    SlotHeader.seal(block.address, future)
    #expect(
      Transfer.write(extent.file.fd, from: block.address, count: shape.slotBytes, at: 0) == 0)
    _ = store.scan(extent)
    #expect(try store.writeAndWait(outcomes, ticket: 1, extent, 1, 2) == .success)
    #expect(store.scan(extent).blocks[1].description.writeSequence == (1 << 62) + 1)
  }

  @Test(
    "Memory that holds another block is not written under this one's name",
    arguments: Drivers.all)
  func pairedCheck(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let store = try DiskStore.test(directory, outcomes, driver)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let block = try BlockMemory(shape, 1)
    #expect(
      store.write(
        ticket: 1, extent: extent, slot: 0, from: block.address,
        description: sampleDescription(shape, 2)))
    #expect(outcomes.wait(for: 1) == .corrupt(.otherBlock(key: sampleKey(1), group: 0)))
    #expect(store.scan(extent).blocks.isEmpty)
  }

  @Test("Headers of many heads span several pages and are found as well", arguments: Drivers.all)
  func largeHeader(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try BlockShape(
      headCount: 1000, layerCount: 1, blockTokens: 2, tokenBytes: 4, elementBytes: 2)
    #expect(shape.headerBytes == 12288)
    let store = try DiskStore.test(directory, outcomes, driver)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let block = try BlockMemory(shape, 1)
    #expect(
      store.write(
        ticket: 1, extent: extent, slot: 2, from: block.address,
        description: sampleDescription(shape, 1)))
    #expect(outcomes.wait(for: 1) == .success)
    #expect(store.scan(extent).blocks.map(\.slot) == [2])
    #expect(try StoreInspector(directory: store.directory).verify().intactCount == 1)
  }

  @Test("Several threads read and write without mixing blocks up", arguments: Drivers.all)
  func parallel(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let store = try DiskStore.test(directory, capacityBytes: 4 << 20, outcomes, driver) {
      $0.threadCount = 4
      $0.queueLimit = 1024
    }
    let extents = try (0..<4).map { _ in try store.createExtent(slotBytes: shape.slotBytes) }
    var blocks: [BlockMemory] = []
    var generator = Random(seed: 1)
    for round in 0..<UInt64(4) {
      for slot in 0..<40 {
        let block = try BlockMemory(shape, round * 100 + UInt64(slot))
        blocks.append(block)
        #expect(
          store.write(
            ticket: round * 1000 + UInt64(slot), extent: extents[slot % 4], slot: slot / 4,
            from: block.address, description: sampleDescription(shape, round * 100 + UInt64(slot))))
      }
      #expect(outcomes.waitForCount(blocks.count))
      for slot in (0..<40).shuffled(using: &generator) {
        let block = BlockMemory(shape)
        blocks.append(block)
        #expect(
          store.read(
            ticket: round * 1000 + 500 + UInt64(slot), extent: extents[slot % 4], slot: slot / 4,
            into: block.address,
            expecting: sampleDescription(shape, round * 100 + UInt64(slot)).expectation))
      }
      #expect(outcomes.waitForCount(blocks.count))
    }
    store.close()
    #expect(outcomes.all.count == blocks.count)
    #expect(outcomes.all.allSatisfy { $0.outcome == .success })
    #expect(Set(outcomes.all.map(\.ticket)).count == blocks.count)
  }

  @Test(
    "A full queue and a closed store refuse, and then no callback comes",
    arguments: Drivers.all)
  func refusals(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let inner = try Drivers.make(driver, threadCount: 1, queueLimit: 3, depth: 1)
    let store = try DiskStore.test(
      directory, outcomes, driver: FaultyDriver(inner) { _ in .late(20_000) })
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let blocks = (0..<12).map { _ in BlockMemory(shape) }
    var accepted: [UInt64] = []
    for ticket in 0..<UInt64(10) {
      if store.read(
        ticket: ticket, extent: extent, slot: 0, into: blocks[Int(ticket)].address,
        expecting: sampleDescription(shape, 1).expectation)
      {
        accepted.append(ticket)
      }
    }
    #expect((3...5).contains(accepted.count))
    store.close()
    #expect(outcomes.all.map(\.ticket).sorted() == accepted)
    #expect(outcomes.all.allSatisfy { $0.outcome == .corrupt(.header(.empty)) })
    #expect(
      !store.read(
        ticket: 50, extent: extent, slot: 0, into: blocks[11].address,
        expecting: sampleDescription(shape, 1).expectation))
    store.close()
    #expect(outcomes.all.count == accepted.count)
  }
}
