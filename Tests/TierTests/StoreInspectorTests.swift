import Glibc
import KVLayout
import Testing

@testable import DiskTier

@Suite("Inspecting and verifying a store")
struct StoreInspectorTests {
  /// Five blocks of two namespaces in slots 0 to 4.
  private func fill(_ directory: TemporaryDirectory) throws -> DiskExtent {
    let outcomes = Outcomes()
    let shape = try smallShape()
    let store = try DiskStore.test(directory, outcomes)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    for slot in 0..<5 {
      let block = try BlockMemory(shape, UInt64(slot))
      #expect(
        store.write(
          ticket: UInt64(slot), extent: extent, slot: slot, from: block.address,
          description: sampleDescription(shape, UInt64(slot), namespace: slot < 3 ? 1 : 2)))
      #expect(outcomes.wait(for: UInt64(slot)) == .success)
    }
    try store.noteNamespace(sampleNamespace(1), description: namespaceText(1))
    return extent
  }

  @Test("Namespaces, blocks, bytes and ages are counted")
  func summary() throws {
    let directory = TemporaryDirectory()
    let extent = try fill(directory)
    let inspector = try StoreInspector(directory: directory.path + "/store/")
    var calls: [(Int, Int)] = []
    let summary = inspector.summary { calls.append(($0, $1)) }
    #expect(calls.last! == (extent.slotCount, extent.slotCount))
    #expect(summary.slotCount == extent.slotCount && summary.blockCount == 5)
    #expect(summary.freeCount == extent.slotCount - 5)
    #expect(summary.extentBytes == Int64(extent.totalBytes))
    #expect(summary.namespaces.count == 2)
    let first = try #require(summary.namespaces.first { $0.namespace == sampleNamespace(1) })
    #expect(first.blockCount == 3 && first.slotBytes == 3 * extent.slotBytes)
    #expect(first.oldestUnixNanoseconds == 1000 && first.newestUnixNanoseconds == 1002)
    #expect(first.description == namespaceText(1))
    #expect(first.blocksByEngine == ["vllm 0.32.0": 3])
    let second = try #require(summary.namespaces.first { $0.namespace == sampleNamespace(2) })
    #expect(second.blockCount == 2 && second.description == nil)
    // A description that is not its namespace's is not shown.
    try directory.write(
      "store/namespaces/\(sampleNamespace(1).digest).json", "{\"model\": \"other\"}")
    #expect(inspector.namespaceDescription(sampleNamespace(1)) == nil)
  }

  @Test("A sound store verifies, with progress up to the end")
  func sound() throws {
    let directory = TemporaryDirectory()
    let extent = try fill(directory)
    var done: [Int64] = []
    let report = try StoreInspector(directory: directory.path + "/store").verify { now, total in
      #expect(total == Int64(extent.totalBytes))
      done.append(now)
    }
    #expect(report.intactCount == 5 && report.damageCount == 0 && report.warnings.isEmpty)
    #expect(report.freeCount == extent.slotCount - 5)
    #expect(report.checkedBytes == 5 * extent.slotBytes)
    #expect(done == done.sorted() && done.last == Int64(extent.totalBytes))
  }

  @Test("A damaged byte is reported with file, slot, offset and reason")
  func damage() throws {
    let directory = TemporaryDirectory()
    let extent = try fill(directory)
    let file = try FileHandle.open(extent.path)
    let slotBytes = extent.slotBytes
    for (slot, place) in [(1, 20), (2, 600), (3, 4096 + 17), (4, 8192 + 4000), (7, 3000)] {
      var byte: UInt8 = 0
      #expect(pread(file.fd, &byte, 1, off_t(slot * slotBytes + place)) == 1)
      byte ^= 4
      #expect(pwrite(file.fd, &byte, 1, off_t(slot * slotBytes + place)) == 1)
    }
    let report = try StoreInspector(directory: directory.path + "/store").verify()
    #expect(report.intactCount == 1)
    try #require(report.damageCount == 5)
    #expect(report.damages.map(\.slot) == [1, 2, 3, 4, 7])
    #expect(
      report.damages.map(\.reason) == [
        .fault(.header(.badChecksum)), .fault(.header(.badChecksum)), .fault(.head(0)),
        .fault(.head(1)), .fault(.header(.notASlot)),
      ])
    #expect(
      report.damages.map(\.byteOffset)
        == [1, 2, 3, 4, 7].map { Int64($0 * slotBytes) }.enumerated().map { index, offset in
          offset + [0, 0, 4096, 8192, 0][index]
        })
    #expect(
      "\(report.damages[3])"
        == "\(extent.path): slot 4, byte \(4 * slotBytes + 8192): checksum of head 1 differs")
    // Nothing was changed by looking.
    #expect(try StoreInspector(directory: directory.path + "/store").verify().damageCount == 5)
  }

  @Test("A store that a process writes to while it is verified shows no damage")
  func whileServing() throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    let shape = try smallShape()
    let store = try DiskStore.test(directory, outcomes)
    let extent = try store.createExtent(slotBytes: shape.slotBytes)
    let blocks = try (0..<100).map { try BlockMemory(shape, UInt64($0)) }
    for (index, block) in blocks.enumerated() {
      #expect(
        store.write(
          ticket: UInt64(index), extent: extent, slot: index % 10, from: block.address,
          description: sampleDescription(shape, UInt64(index))))
    }
    for _ in 0..<5 {
      #expect(try StoreInspector(directory: store.directory).verify().damageCount == 0)
    }
    #expect(outcomes.waitForCount(100))
    store.close()
  }
}
