import Glibc
import KVBMTesting
import KVLayout
import Testing

@testable import DiskTier

/// A store that was written to, closed, and can be opened again.
private final class Closed {
  let directory = TemporaryDirectory()
  let shape: BlockShape

  init(_ write: (DiskStore, Outcomes) throws -> Void) throws {
    shape = try smallShape()
    let outcomes = Outcomes()
    let store = try DiskStore.test(directory, outcomes)
    try write(store, outcomes)
    store.close()
  }

  var index: String { directory.path + "/store/kvbm-index" }
  var hasIndex: Bool { access(index, F_OK) == 0 }

  /// Opens the store and scans all its extents, oldest first.
  func scans() throws -> [ExtentScan] {
    let store = try DiskStore.test(directory, Outcomes())
    #expect(!hasIndex)
    return store.extents.map { store.scan($0) }
  }

  /// The same, from headers alone; leaves the index as it was.
  func headerScans() throws -> [ExtentScan] {
    let kept = try #require(try Directory.read(index, limit: 1 << 26))
    #expect(unlink(index) == 0)
    defer { try? Directory.replace(index, with: kept) }
    return try scans()
  }

  /// Changes a file, and has the file system call it unchanged.
  func changeSecretly(_ path: String, _ change: (FileHandle) throws -> Void) throws {
    let file = try FileHandle.open(path)
    var status = stat()
    #expect(fstat(file.fd, &status) == 0)
    try change(file)
    let times = [status.st_atim, status.st_mtim]
    #expect(futimens(file.fd, times) == 0)
  }
}

/// Blocks in some slots of two extents, of which some were overwritten.
private func writeSome(_ store: DiskStore, _ outcomes: Outcomes) throws {
  let shape = try smallShape()
  var ticket: UInt64 = 0
  for _ in 0..<2 {
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    for slot in [0, 2, 3, 7, 2] {
      ticket += 1
      #expect(
        try store.writeAndWait(outcomes, ticket: ticket, extent, slot, 100 + ticket) == .success)
    }
  }
}

@Suite("Disk store: the index that a clean stop leaves")
struct StoreSnapshotTests {
  @Test("It says of every slot what the header says, and is gone once it was read")
  func saysTheSame() throws {
    let closed = try Closed(writeSome)
    #expect(closed.hasIndex)
    let fromHeaders = try closed.headerScans()
    var fromIndex = try closed.scans()
    #expect(fromIndex.map(\.source) == [.snapshot, .snapshot])
    #expect(fromHeaders.map(\.source) == [.headers, .headers])
    for place in fromIndex.indices { fromIndex[place].source = .headers }
    #expect(fromIndex == fromHeaders)
    #expect(fromIndex.allSatisfy { $0.blocks.map(\.slot) == [0, 2, 3, 7] })
    // What was known from the index is known to the next one.
    #expect(closed.hasIndex)
    #expect(try closed.scans().map(\.source) == [.snapshot, .snapshot])
  }

  @Test("A store that was not closed leaves none")
  func killed() throws {
    let closed = try Closed(writeSome)
    let store = try DiskStore.test(closed.directory, Outcomes())
    #expect(!closed.hasIndex)
    let path = closed.directory.path + "/store"
    withExtendedLifetime(store) {
      #expect((try? Directory.list(path))?.contains("kvbm-index") == false)
    }
  }

  @Test("What failed, was freed or deleted is not in it as if it were there")
  func mishaps() throws {
    let closed = try Closed { store, outcomes in
      let shape = try smallShape()
      try writeSome(store, outcomes)
      let (first, second) = (store.extents[0], store.extents[1])
      // Found damaged by a read, and freed.
      let file = try FileHandle.open(first.path)
      let noise = AlignedBuffer(count: 4096)
      noise.bytes.initializeMemory(as: UInt8.self, repeating: 0x5C)
      let place = first.offset(of: 3) + 8192
      #expect(Transfer.write(file.fd, from: noise.address, count: 4096, at: place) == 0)
      let (outcome, _) = try store.readAndWait(outcomes, ticket: 90, first, 3, 103)
      #expect(outcome == .corrupt(.head(1)))
      // Memory that does not hold the block: nothing is written.
      let block = try BlockMemory(shape, 1)
      #expect(
        store.write(
          ticket: 91, extent: first, slot: 7, from: block.address,
          description: sampleDescription(shape, 2)))
      #expect(outcomes.wait(for: 91) != .success)
      try store.deleteExtent(second)
      _ = try store.createExtent(slotBytes: shape.slotBytes)
    }
    let fromHeaders = try closed.headerScans()
    let fromIndex = try closed.scans()
    #expect(fromIndex.map(\.source) == [.snapshot, .snapshot])
    #expect(fromIndex.map(\.blocks) == fromHeaders.map(\.blocks))
    #expect(fromIndex.map { $0.blocks.map(\.slot) } == [[0, 2, 7], []])
  }

  @Test("Slots that say other things win, and so does a file that was touched")
  func disagreement() throws {
    let closed = try Closed(writeSome)
    let files = try Directory.list(closed.directory.path + "/store/extents").sorted()
      .filter { $0.hasSuffix(".kvx") }.map { closed.directory.path + "/store/extents/" + $0 }
    let slotBytes = closed.shape.slotBytes
    // Every slot holds a new block now, but for the file's time nothing tells of it.
    try closed.changeSecretly(files[0]) { file in
      for slot in 0..<Int(try file.size()) / slotBytes {
        let block = try BlockMemory(closed.shape, UInt64(500 + slot))
        SlotHeader.seal(block.address, sampleDescription(closed.shape, UInt64(500 + slot)))
        let code = Transfer.write(
          file.fd, from: block.address, count: slotBytes, at: Int64(slot * slotBytes))
        #expect(code == 0)
      }
    }
    let touched = try FileHandle.open(files[1])
    #expect(futimens(touched.fd, nil) == 0)
    let fromHeaders = try closed.headerScans()
    let fromIndex = try closed.scans()
    #expect(fromIndex.map(\.source) == [.headersAgainstSnapshot, .headers])
    #expect(fromIndex.map(\.blocks) == fromHeaders.map(\.blocks))
    #expect(fromIndex[0].blocks[1].description.key == sampleKey(501))
  }

  @Test("Damage to it anywhere makes it unreadable, and costs a look at the headers")
  func damage() throws {
    let closed = try Closed(writeSome)
    let sound = try #require(try Directory.read(closed.index, limit: 1 << 26))
    let id = try StoreInspector(directory: closed.directory.path + "/store").storeID
    #expect(StoreSnapshot(sound, storeID: id) != nil)
    #expect(StoreSnapshot(sound, storeID: String(id.reversed())) == nil)
    var random = Random(seed: 9)
    for place in Array(0..<64) + (0..<400).map({ _ in random.below(sound.count) }) {
      var bytes = sound
      bytes[place] ^= UInt8(1 << random.below(8))
      #expect(StoreSnapshot(bytes, storeID: id) == nil, "byte \(place)")
    }
    for count in [0, 1, 63, 64, 100, sound.count - 1] {
      #expect(StoreSnapshot(Array(sound[..<count]), storeID: id) == nil)
    }
    try Directory.replace(closed.index, with: Array(sound[..<(sound.count / 2)]))
    let store = try DiskStore.test(closed.directory, Outcomes())
    #expect(store.warnings.contains { $0.contains("kvbm-index was not readable") })
    #expect(store.extents.map { store.scan($0).source } == [.headers, .headers])
  }

  @Test("What another version wrote stays out of use")
  func otherVersion() throws {
    let closed = try Closed { store, outcomes in
      try writeSome(store, outcomes)
      let extent = store.extents[0]
      let block = try BlockMemory(smallShape(), 1)
      SlotHeader.seal(block.address, sampleDescription(try smallShape(), 1))
      var bytes = Array(block.all[..<4096])
      bytes[8] = 2
      bytes.withUnsafeMutableBytes { bytes in
        bytes.storeBytes(of: 0, toByteOffset: 504, as: UInt64.self)
        let sum = SlotHeader.headChecksum(
          UnsafeRawBufferPointer(bytes), key: .none, group: 0, head: 0)
        bytes.storeBytes(of: sum, toByteOffset: 504, as: UInt64.self)
      }
      let file = try FileHandle.open(extent.path)
      let code = bytes.withUnsafeBytes {
        Transfer.write(file.fd, from: $0.baseAddress!, count: 4096, at: extent.offset(of: 5))
      }
      #expect(code == 0 && store.scan(extent).occupiedSlots == [5])
    }
    let scans = try closed.scans()
    #expect(scans.map(\.source) == [.snapshot, .snapshot])
    #expect(scans.map(\.occupiedSlots) == [[5], []])
  }
}
