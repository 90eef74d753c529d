import Glibc
import KVBMTesting
import Testing

@testable import DiskTier
@testable import KVLayout
@testable import Protection

private func protector(
  _ numbers: UInt8..., form: SlotProtection.Form = .encrypted
) throws -> Protector {
  let lines = numbers.map { number in String(repeating: "0\(number)", count: 32) }
  let keys = try KeyRing(text: Array(lines.joined(separator: "\n").utf8), source: "a test")
  return Protector(keys: keys, form: form)
}

/// A directory, and stores that are opened in it one after the other.
private final class Encrypted {
  let directory = TemporaryDirectory()
  let outcomes = Outcomes()
  let driver: DiskOptions.Driver
  private var ticket: UInt64 = 0

  init(_ driver: DiskOptions.Driver) { self.driver = driver }

  func open(_ protector: Protector?) throws -> DiskStore {
    try DiskStore.test(directory, outcomes, driver) { $0.protector = protector }
  }

  func write(_ store: DiskStore, _ extent: DiskExtent, _ number: UInt64, _ slot: Int) throws {
    ticket += 1
    #expect(
      try store.writeAndWait(outcomes, ticket: ticket, extent, slot, number) == .success)
  }

  /// What a read of the block says; after a success its payload was compared.
  func read(
    _ store: DiskStore, _ extent: DiskExtent, _ number: UInt64, _ slot: Int
  ) throws -> DiskOutcome? {
    ticket += 1
    let (outcome, memory) = try store.readAndWait(
      outcomes, ticket: ticket, extent, slot, number)
    if outcome == .success {
      #expect(memory.payload == (try BlockMemory(smallShape(), number).payload))
    }
    return outcome
  }

  func bytes(_ extent: DiskExtent) throws -> [UInt8] {
    let name = try #require(extent.path.split(separator: "/").last)
    return try #require(try directory.read("store/extents/\(name)"))
  }

  func overwrite(_ extent: DiskExtent, _ bytes: [UInt8], at offset: Int) throws {
    let file = try FileHandle.open(extent.path)
    let code = bytes.withUnsafeBytes {
      Transfer.write(file.fd, from: $0.baseAddress!, count: $0.count, at: Int64(offset))
    }
    #expect(code == 0)
  }
}

@Suite("Disk store: encrypted slots")
struct DiskProtectionTests {
  @Test(
    "Blocks come back after a restart, and their bytes are not in the file", arguments: Drivers.all)
  func restart(driver: DiskOptions.Driver) throws {
    let encrypted = Encrypted(driver)
    let (shape, slots) = (try smallShape(), 5)
    do {
      let store = try encrypted.open(try protector(1))
      let extent = try store.createExtent(slotBytes: shape.slotBytes)
      for slot in 0..<slots { try encrypted.write(store, extent, UInt64(slot), slot) }
      for slot in 0..<slots {
        #expect(try encrypted.read(store, extent, UInt64(slot), slot) == .success)
      }
      let file = try encrypted.bytes(extent)
      let shown = Set(stride(from: 0, to: file.count, by: 8).map { Array(file[$0..<$0 + 8]) })
      for slot in 0..<slots {
        let payload = try BlockMemory(shape, UInt64(slot)).payload
        let words = stride(from: 0, to: payload.count, by: 8).map { Array(payload[$0..<$0 + 8]) }
        let shownCount = words.count { shown.contains($0) }
        #expect(shownCount == 0)
      }
    }
    let store = try encrypted.open(try protector(2, 1))
    let extent = try #require(store.extents.first)
    let scan = store.scan(extent)
    #expect(scan.blocks.map(\.slot) == Array(0..<slots))
    #expect(scan.occupiedSlots.isEmpty && scan.unprotectedCount == 0)
    #expect(try encrypted.read(store, extent, 3, 3) == .success)
    // Written over with the new key, it is not revealed by the old one.
    try encrypted.write(store, extent, 3, 3)
    #expect(try encrypted.read(store, extent, 3, 3) == .success)
  }

  @Test("Without the key slots are kept, and named", arguments: Drivers.all)
  func locked(driver: DiskOptions.Driver) throws {
    let encrypted = Encrypted(driver)
    let id = try protector(1).keys.current.id
    do {
      let store = try encrypted.open(try protector(1))
      let extent = try store.createExtent(slotBytes: try smallShape().slotBytes)
      try encrypted.write(store, extent, 1, 1)
    }
    for stranger in [nil, try protector(2), try protector(3, form: .plain)] {
      let store = try encrypted.open(stranger)
      let extent = try #require(store.extents.first)
      let before = try encrypted.bytes(extent)
      let scan = store.scan(extent)
      #expect(scan.blocks.isEmpty && scan.occupiedSlots == [1])
      #expect(scan.lockedCounts == [id: 1])
      #expect(
        try encrypted.read(store, extent, 1, 1) == .corrupt(.header(.locked(keyID: id))))
      #expect(try encrypted.bytes(extent) == before)
    }
    let directory = encrypted.directory.path + "/store"
    let stranger = try StoreInspector(directory: directory)
    #expect(stranger.summary().protectedCounts == [id: 1])
    #expect(stranger.verify().lockedCounts == [id: 1])
    #expect(stranger.verify().intactCount == 0 && stranger.verify().damageCount == 0)
    let friend = try StoreInspector(directory: directory, keys: try protector(1).keys)
    #expect(friend.verify().intactCount == 1 && friend.verify().lockedCounts.isEmpty)
    let store = try encrypted.open(try protector(1))
    #expect(try encrypted.read(store, try #require(store.extents.first), 1, 1) == .success)
  }

  @Test("What was changed on purpose is refused and freed", arguments: Drivers.all)
  func forged(driver: DiskOptions.Driver) throws {
    let encrypted = Encrypted(driver)
    let shape = try smallShape()
    let store = try encrypted.open(try protector(1))
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    for slot in 0..<2 { try encrypted.write(store, extent, UInt64(slot), slot) }
    let sound = try encrypted.bytes(extent)
    let slots = [
      Array(sound[..<shape.slotBytes]), Array(sound[shape.slotBytes...].prefix(shape.slotBytes)),
    ]
    // The two change places.
    try encrypted.overwrite(extent, slots[1] + slots[0], at: 0)
    let other = DiskOutcome.corrupt(.otherBlock(key: sampleKey(1), group: 0))
    #expect(try encrypted.read(store, extent, 0, 0) == other)
    try encrypted.overwrite(extent, slots[1], at: shape.slotBytes)
    // Only the contents do, under headers whose checksums fit.
    for offset in [512, shape.headerBytes] {
      var mixed = Array(slots[0][..<offset] + slots[1][offset...])
      mixed.withUnsafeMutableBytes {
        SlotHeader.writeHeaderChecksum($0.baseAddress!, headerBytes: shape.headerBytes)
      }
      try encrypted.overwrite(extent, mixed, at: 0)
      #expect(try encrypted.read(store, extent, 0, 0) == .corrupt(.forged))
      #expect(store.scan(extent).blocks.map(\.slot) == [1])
    }
    // A bit of the ciphertext.
    var flipped = slots[0]
    flipped[flipped.count - 1] ^= 1
    try encrypted.overwrite(extent, flipped, at: 0)
    let report = try StoreInspector(directory: store.directory, keys: try protector(1).keys)
      .verify()
    #expect(report.damages.map(\.reason) == [.fault(.forged)] && report.intactCount == 1)
    #expect(try encrypted.read(store, extent, 0, 0) == .corrupt(.forged))
    try encrypted.overwrite(extent, slots[0], at: 0)
    #expect(try encrypted.read(store, extent, 0, 0) == .success)
  }

  @Test("Plain slots of a time before are not used, and are free", arguments: Drivers.all)
  func unprotected(driver: DiskOptions.Driver) throws {
    let encrypted = Encrypted(driver)
    do {
      let store = try encrypted.open(nil)
      let extent = try store.createExtent(slotBytes: try smallShape().slotBytes)
      for slot in 0..<3 { try encrypted.write(store, extent, UInt64(slot), slot) }
    }
    let store = try encrypted.open(try protector(1))
    let extent = try #require(store.extents.first)
    let scan = store.scan(extent)
    #expect(scan.blocks.isEmpty && scan.occupiedSlots.isEmpty && scan.unprotectedCount == 3)
    #expect(try encrypted.read(store, extent, 2, 2) == .corrupt(.unprotected))
    try encrypted.write(store, extent, 1, 1)
    #expect(try encrypted.read(store, extent, 1, 1) == .success)
  }

  @Test("With keys and without encryption both kinds of slots are served", arguments: Drivers.all)
  func mixed(driver: DiskOptions.Driver) throws {
    let encrypted = Encrypted(driver)
    do {
      let store = try encrypted.open(try protector(1))
      let extent = try store.createExtent(slotBytes: try smallShape().slotBytes)
      try encrypted.write(store, extent, 0, 0)
    }
    let store = try encrypted.open(try protector(1, form: .plain))
    let extent = try #require(store.extents.first)
    try encrypted.write(store, extent, 1, 1)
    #expect(store.scan(extent).blocks.map(\.slot) == [0, 1])
    for slot in 0..<2 {
      #expect(try encrypted.read(store, extent, UInt64(slot), slot) == .success)
    }
    #expect(try StoreInspector(directory: store.directory).verify().intactCount == 1)
  }

  @Test(
    "More writes than are made at a time all arrive, also when the store closes",
    arguments: Drivers.all)
  func many(driver: DiskOptions.Driver) throws {
    let (shape, count) = (try smallShape(), 60)
    let encrypted = Encrypted(driver)
    let store = try encrypted.open(try protector(1))
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    try #require(extent.slotCount >= 10 && shape.slotBytes * count < store.capacityBytes)
    let extents =
      [extent]
      + (1..<count / 10).compactMap { _ in
        try? store.createExtent(slotBytes: shape.slotBytes)
      }
    try #require(extents.count == count / 10)
    let blocks = try (0..<count).map { try BlockMemory(shape, UInt64($0)) }
    let before = blocks.map(\.all)
    for (number, block) in blocks.enumerated() {
      #expect(
        store.write(
          ticket: UInt64(1_000 + number), extent: extents[number / 10], slot: number % 10,
          from: block.address,
          description: sampleDescription(shape, UInt64(number))))
    }
    store.close()
    #expect(encrypted.outcomes.all.count == count)
    #expect(encrypted.outcomes.all.allSatisfy { $0.outcome == .success })
    #expect(blocks.map(\.all) == before, "host memory was changed")
    let memory = AlignedBuffer(count: shape.slotBytes)
    for number in 0..<count {
      let file = try encrypted.bytes(extents[number / 10])
      let first = number % 10 * shape.slotBytes
      memory.bytes.copyBytes(from: file[first..<first + shape.slotBytes])
      let wanted = sampleDescription(shape, UInt64(number)).expectation
      try #require(Protector.fault(of: memory.bytes, expecting: wanted, try protector(1)) == nil)
      #expect(
        Array(memory.bytes[shape.headerBytes...].prefix(shape.payloadBytes))
          == blocks[number].payload)
    }
    #expect(
      !store.write(
        ticket: 1, extent: extent, slot: 0, from: blocks[0].address,
        description: sampleDescription(shape, 0)))
  }

  @Test("Memory that holds another block is not written", arguments: Drivers.all)
  func otherBlock(driver: DiskOptions.Driver) throws {
    let shape = try smallShape()
    let encrypted = Encrypted(driver)
    let store = try encrypted.open(try protector(1))
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let block = try BlockMemory(shape, 1)
    #expect(
      store.write(
        ticket: 1, extent: extent, slot: 0, from: block.address,
        description: sampleDescription(shape, 2)))
    #expect(
      encrypted.outcomes.wait(for: 1) == .corrupt(.otherBlock(key: sampleKey(1), group: 0)))
    #expect(store.scan(extent) == ExtentScan())
  }
}
