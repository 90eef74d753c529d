import Glibc
import KVBMTesting
import KVLayout
import Testing

@testable import DiskTier

/// A store with one extent, and raw access to its file beside it.
private final class Damaged {
  let directory = TemporaryDirectory()
  let outcomes = Outcomes()
  let shape: BlockShape
  let store: DiskStore
  let extent: DiskExtent
  let file: FileHandle
  private var ticket: UInt64 = 0

  init(_ driver: DiskOptions.Driver) throws {
    shape = try smallShape()
    store = try DiskStore.test(directory, outcomes, driver)
    extent = try store.createExtent(slotBytes: shape.slotBytes)
    file = try FileHandle.open(extent.path)
  }

  /// The bytes that the store writes for a block.
  func sealed(_ number: UInt64) throws -> [UInt8] {
    let block = try BlockMemory(shape, number)
    SlotHeader.seal(block.address, sampleDescription(shape, number))
    return block.all
  }

  func overwrite(_ bytes: [UInt8], at offset: Int) {
    let code = bytes.withUnsafeBytes {
      Transfer.write(file.fd, from: $0.baseAddress!, count: $0.count, at: Int64(offset))
    }
    #expect(code == 0)
  }

  func write(_ number: UInt64, slot: Int) throws -> DiskOutcome? {
    ticket += 1
    return try store.writeAndWait(outcomes, ticket: ticket, extent, slot, number)
  }

  func read(_ number: UInt64, slot: Int) throws -> DiskOutcome? {
    ticket += 1
    return try store.readAndWait(outcomes, ticket: ticket, extent, slot, number).0
  }
}

extension DiskOutcome? {
  fileprivate var isCorrupt: Bool {
    if case .corrupt = self { return true }
    return false
  }
}

@Suite("Disk store: damage is noticed and does no harm")
struct DiskDamageTests {
  @Test(
    "A write that was torn at any page leaves nothing that can be read",
    arguments: Drivers.all, [true, false])
  func torn(driver: DiskOptions.Driver, prefixIsNew: Bool) throws {
    let damaged = try Damaged(driver)
    let (old, new) = (try damaged.sealed(1), try damaged.sealed(2))
    for boundary in stride(from: 4096, to: old.count, by: 4096) {
      let torn =
        prefixIsNew
        ? Array(new[..<boundary] + old[boundary...]) : Array(old[..<boundary] + new[boundary...])
      for wanted in [UInt64(1), 2] {
        damaged.overwrite(torn, at: 0)
        // The header alone looks sound: it is unread, so unproven.
        #expect(damaged.store.scan(damaged.extent).blocks.count == 1)
        #expect(try damaged.read(wanted, slot: 0).isCorrupt)
        // Found once, it is never found again.
        #expect(damaged.store.scan(damaged.extent) == ExtentScan())
      }
    }
    damaged.overwrite(new, at: 0)
    #expect(try damaged.read(2, slot: 0) == .success)
  }

  @Test("A torn header is free, and counted", arguments: Drivers.all)
  func tornHeader(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    let (old, new) = (try damaged.sealed(1), try damaged.sealed(2))
    for boundary in stride(from: 512, to: 4096, by: 512) {
      damaged.overwrite(old, at: 0)
      damaged.overwrite(Array(new[..<boundary]), at: 0)
      let scan = damaged.store.scan(damaged.extent)
      // The first 512 bytes name the block; the table stands behind them.
      #expect(scan.blocks.isEmpty == (boundary < 528))
      #expect(try damaged.read(2, slot: 0).isCorrupt)
    }
  }

  @Test("A flipped byte anywhere is noticed, by reading and by verifying", arguments: Drivers.all)
  func flipped(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    let sound = try damaged.sealed(1)
    var generator = Random(seed: 3)
    var places = Array(0..<560) + [4095, 4096, 4097, 8191, 8192, sound.count - 1]
    places += (0..<500).map { _ in Int.random(in: 0..<sound.count, using: &generator) }
    for place in places {
      var bytes = sound
      bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
      damaged.overwrite(bytes, at: 0)
      #expect(try damaged.read(1, slot: 0).isCorrupt, "byte \(place)")
    }
    damaged.overwrite(sound, at: 0)
    #expect(try damaged.read(1, slot: 0) == .success)
  }

  @Test(
    "Another block in the slot is not taken for the wanted one, and freed",
    arguments: Drivers.all)
  func otherBlock(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    damaged.overwrite(try damaged.sealed(2), at: damaged.shape.slotBytes)
    #expect(
      try damaged.read(1, slot: 1) == .corrupt(.otherBlock(key: sampleKey(2), group: 0)))
    #expect(damaged.store.scan(damaged.extent) == ExtentScan())
  }

  @Test("What another version wrote is kept out of use, and never touched", arguments: Drivers.all)
  func otherVersion(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    var foreign = try damaged.sealed(1)
    foreign[8] = 2
    foreign.withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: 0, toByteOffset: 504, as: UInt64.self)
      let checksum = SlotHeader.headChecksum(
        UnsafeRawBufferPointer(rebasing: bytes[..<4096]), key: .none, group: 0, head: 0)
      bytes.storeBytes(of: checksum, toByteOffset: 504, as: UInt64.self)
    }
    damaged.overwrite(foreign, at: 2 * foreign.count)
    #expect(damaged.store.scan(damaged.extent).occupiedSlots == [2])
    #expect(try damaged.read(1, slot: 2).isCorrupt)
    #expect(damaged.store.scan(damaged.extent).occupiedSlots == [2])
    let inspector = try StoreInspector(directory: damaged.store.directory)
    #expect(inspector.summary().otherVersionCount == 1)
    let report = inspector.verify()
    #expect(report.otherVersionCount == 1 && report.damageCount == 0)
    // One flipped bit of the version is damage, and not another version.
    foreign[8] = 3
    damaged.overwrite(foreign, at: 2 * foreign.count)
    #expect(damaged.store.scan(damaged.extent).damagedCount == 1)
  }

  @Test(
    "A file that is cut, zeroed or filled with noise while it is open costs its blocks only",
    arguments: Drivers.all)
  func whileOpen(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    for slot in 0..<4 { #expect(try damaged.write(UInt64(slot), slot: slot) == .success) }
    let slotBytes = damaged.shape.slotBytes
    damaged.overwrite([UInt8](repeating: 0, count: slotBytes), at: 0)
    damaged.overwrite([UInt8](repeating: 0x5C, count: slotBytes), at: slotBytes)
    #expect(ftruncate(damaged.file.fd, off_t(2 * slotBytes + 5000)) == 0)
    #expect(try damaged.read(0, slot: 0) == .corrupt(.header(.empty)))
    #expect(try damaged.read(1, slot: 1) == .corrupt(.header(.notASlot)))
    #expect(try damaged.read(2, slot: 2) == .failure(errno: EIO))
    #expect(try damaged.read(3, slot: 3) == .failure(errno: EIO))
    // Writing makes the file whole again.
    #expect(try damaged.write(9, slot: 3) == .success)
    #expect(try damaged.read(9, slot: 3) == .success)
  }

  @Test(
    "Deleting the files under an open store costs their blocks, and later writes go on",
    arguments: Drivers.all)
  func deleted(driver: DiskOptions.Driver) throws {
    let damaged = try Damaged(driver)
    #expect(try damaged.write(1, slot: 0) == .success)
    unlink(damaged.extent.path)
    #expect(try damaged.read(1, slot: 0) == .success)
    let second = try damaged.store.createExtent(slotBytes: damaged.shape.slotBytes)
    #expect(second.id != damaged.extent.id)
    try damaged.store.deleteExtent(damaged.extent)
    #expect(damaged.store.extents.map(\.id) == [second.id])
  }

  @Test(
    "Failing, tearing and lying devices never yield wrong bytes",
    arguments: Drivers.all, 0..<12)
  func faults(driver: DiskOptions.Driver, seed: Int) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let faulty = FaultyDriver(
      try Drivers.make(driver, threadCount: 3), seed: UInt64(seed), rate: 3)
    let store = try DiskStore.test(directory, outcomes, driver: faulty)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    var generator = Random(seed: UInt64(seed) + 1)
    var held: [Int: UInt64] = [:]
    var ticket: UInt64 = 0
    var good = 0
    for step in 0..<150 {
      let slot = Int.random(in: 0..<extent.slotCount, using: &generator)
      ticket += 1
      if let number = held[slot], Bool.random(using: &generator) {
        let (outcome, found) = try store.readAndWait(outcomes, ticket: ticket, extent, slot, number)
        if outcome == .success {
          good += 1
          #expect(found.payload == (try BlockMemory(shape, number).payload))
        } else {
          #expect(outcome != nil)
          held[slot] = nil
        }
      } else {
        let outcome = try store.writeAndWait(outcomes, ticket: ticket, extent, slot, UInt64(step))
        #expect(outcome != nil)
        held[slot] = outcome == .success ? UInt64(step) : nil
      }
    }
    #expect(good > 10)
    store.close()
    #expect(outcomes.all.count == Int(ticket))
  }

  @Test(
    "On a full file system a store opens, serves what it holds, and does not grow",
    arguments: Drivers.all)
  func fullFileSystem(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/store"
    try Directory.make(path)
    // Needs the right to mount; without it this says nothing.
    guard mount("none", path, "tmpfs", 0, "size=1m") == 0 else { return }
    defer { umount2(path, Int32(MNT_DETACH)) }
    let shape = try smallShape()
    do {
      let outcomes = Outcomes()
      let store = try DiskStore.test(directory, capacityBytes: 16 << 20, outcomes, driver) {
        $0.extentBytes = 256 << 10
      }
      let extent = try store.createExtent(slotBytes: shape.slotBytes)
      #expect(try store.writeAndWait(outcomes, ticket: 1, extent, 0, 1) == .success)
    }
    let filler = try FileHandle.open(path + "/filler", create: true)
    let page = AlignedBuffer(count: 4096)
    var offset: Int64 = 0
    while Transfer.write(filler.fd, from: page.address, count: 4096, at: offset) == 0 {
      offset += 4096
    }
    let outcomes = Outcomes()
    let store = try DiskStore.test(directory, capacityBytes: 16 << 20, outcomes, driver)
    #expect(store.warnings.contains { $0.contains("is full") })
    let extent = store.extents[0]
    #expect(try store.readAndWait(outcomes, ticket: 1, extent, 0, 1).0 == .success)
    #expect(try store.writeAndWait(outcomes, ticket: 2, extent, 1, 2) == .success)
    let full = DiskTierError.full(path: path, capacityBytes: 16 << 20, fileSystem: true)
    #expect(throws: full) { try store.createExtent(slotBytes: shape.slotBytes) }
    #expect(store.extents.count == 1 && store.committedBytes == extent.totalBytes)
  }

  @Test("A full device is told by its number", arguments: Drivers.all)
  func fullDevice(driver: DiskOptions.Driver) throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let faulty = FaultyDriver(try Drivers.make(driver)) { _ in .error(ENOSPC) }
    let store = try DiskStore.test(directory, outcomes, driver: faulty)
    let extent = try store.createExtent(slotBytes: smallShape().slotBytes)
    #expect(
      try store.writeAndWait(outcomes, ticket: 1, extent, 0, 1) == .failure(errno: ENOSPC))
    faulty.set(nil)
    #expect(try store.writeAndWait(outcomes, ticket: 2, extent, 0, 1) == .success)
  }
}
