import Glibc
import KVLayout
import Testing

@testable import DiskTier

@Suite("Disk store: opening and growing")
struct StoreOpeningTests {
  @Test("A second process is refused, and the first one named")
  func lock() throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    do {
      let store = try DiskStore.test(directory, outcomes)
      let expected = DiskTierError.inUse(
        path: directory.path + "/store/kvbm.lock", holder: getpid())
      #expect(throws: expected) { try DiskStore.test(directory, outcomes) }
      #expect("\(expected)".contains("pid \(getpid())"))
      // Looking is always possible.
      _ = try StoreInspector(directory: store.directory).summary()
    }
    _ = try DiskStore.test(directory, outcomes)
  }

  @Test("Directories and files are this user's alone")
  func permissions() throws {
    let directory = TemporaryDirectory()
    let store = try DiskStore.test(directory, Outcomes())
    let extent = try store.createExtent(slotBytes: 8192)
    try store.noteNamespace(sampleNamespace(), description: namespaceText(1))
    func mode(_ path: String) -> UInt32 {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }
    for name in ["", "/extents", "/namespaces"] {
      #expect(mode(store.directory + name) == 0o700)
    }
    let digest = sampleNamespace().digest.description
    for path in [
      extent.path, store.directory + "/kvbm.lock", store.directory + "/kvbm-store.json",
      store.directory + "/namespaces/\(digest).json",
    ] {
      #expect(mode(path) == 0o600)
    }
    #expect(try directory.read("store/namespaces/\(digest).json") == namespaceText(1))
  }

  @Test("Another version's store is left alone, and unreadable markers are made anew")
  func marker() throws {
    let directory = TemporaryDirectory()
    let outcomes = Outcomes()
    try directory.write("store/kvbm-store.json", #"{"nested": {"format": 1}, "format": 2}"#)
    let path = directory.path + "/store/kvbm-store.json"
    #expect(throws: DiskTierError.newerFormat(path: path, version: 2, known: 1)) {
      try DiskStore.test(directory, outcomes)
    }
    #expect(throws: DiskTierError.newerFormat(path: path, version: 2, known: 1)) {
      try StoreInspector(directory: directory.path + "/store")
    }
    #expect(try Directory.list(directory.path + "/store").contains("extents") == false)
    for text in ["", "nonsense", "{\"format\": ", "[1]", String(repeating: "\0", count: 40)] {
      try directory.write("store/kvbm-store.json", text)
      let store = try DiskStore.test(directory, outcomes)
      #expect(store.warnings.count == 1)
      let made = try directory.read("store/kvbm-store.json")
      #expect(StoreMarker(json: made!) == StoreMarker(format: 1, storeID: store.storeID))
    }
    let bytes = Array(#"{"a": [1, {"format": 7}], "store": "x\"y", "format": 1}"#.utf8)
    #expect(StoreMarker(json: bytes) == StoreMarker(format: 1, storeID: #"x\"y"#))
  }

  @Test("Foreign files are ignored and left alone")
  func foreignFiles() throws {
    let directory = TemporaryDirectory()
    let names = [
      "photo.jpg", "extents/readme", "extents/00000001-8192.kvx", "extents/1-8192-4.kvx",
      "extents/0000000A-8192-4.kvx", "extents/00000001-8191-4.kvx", "extents/00000001-8192-0.kvx",
      "extents/00000001-8192-99999999999.kvx", "extents/00000001-+8192-4.kvx", "namespaces/x.json",
    ]
    for name in names { try directory.write("store/" + name, "not ours") }
    let store = try DiskStore.test(directory, Outcomes())
    #expect(store.extents.isEmpty && store.warnings.isEmpty && store.committedBytes == 0)
    _ = try store.createExtent(slotBytes: 8192)
    for name in names { #expect(try directory.read("store/" + name) == Array("not ours".utf8)) }
    let summary = try StoreInspector(directory: store.directory).summary()
    #expect(summary.extentCount == 1 && summary.blockCount == 0)
  }

  @Test("An extent that is no file of ours is left out, and the others are used")
  func badExtents() throws {
    let directory = TemporaryDirectory()
    try directory.write("store/extents/00000001-8192-4.kvx", [UInt8](repeating: 0, count: 32768))
    try Directory.make(directory.path + "/store/extents/00000002-8192-4.kvx")
    symlink("/etc/passwd", directory.path + "/store/extents/00000003-8192-4.kvx")
    let store = try DiskStore.test(directory, Outcomes())
    #expect(store.extents.map(\.id) == [1])
    #expect(store.warnings.count == 2)
    #expect(try store.createExtent(slotBytes: 8192).id == 4)
    #expect(try StoreInspector(directory: store.directory).warnings.count == 2)
  }

  @Test("A file that was cut is made whole, and its lost slots are free")
  func truncated() throws {
    let directory = TemporaryDirectory()
    let shape = try smallShape()
    var path = ""
    do {
      let outcomes = Outcomes()
      let store = try DiskStore.test(directory, outcomes)
      let extent = try store.createExtent(slotBytes: shape.slotBytes)
      path = extent.path
      for slot in 0..<3 {
        #expect(
          try store.writeAndWait(outcomes, ticket: UInt64(slot), extent, slot, UInt64(slot))
            == .success)
      }
    }
    #expect(truncate(path, off_t(shape.slotBytes + 5000)) == 0)
    let report = try StoreInspector(directory: directory.path + "/store").verify()
    #expect(report.intactCount == 1 && report.damageCount == 1)
    #expect(report.damages.first?.reason == .cutShort)
    let outcomes = Outcomes()
    let store = try DiskStore.test(directory, outcomes)
    #expect(store.warnings.count == 1)
    let extent = store.extents[0]
    #expect(store.scan(extent).blocks.map(\.slot) == [0, 1])
    #expect(try store.readAndWait(outcomes, ticket: 1, extent, 0, 0).0 == .success)
    #expect(
      try store.readAndWait(outcomes, ticket: 2, extent, 1, 1).0 == .corrupt(.head(0)))
    #expect(
      try store.writeAndWait(outcomes, ticket: 3, extent, extent.slotCount - 1, 7) == .success)
  }

  @Test("Extents never exceed the capacity, whatever the slot size")
  func capacity() throws {
    let directory = TemporaryDirectory()
    let store = try DiskStore.test(directory, capacityBytes: 1_000_000, Outcomes())
    var bytes = 0
    for slotBytes in [12288, 8192, 405_504, 8192, 12288] {
      for _ in 0..<3 {
        guard let extent = try? store.createExtent(slotBytes: slotBytes) else { continue }
        #expect(extent.slotBytes == slotBytes && extent.slotCount > 0)
        bytes += extent.totalBytes
      }
    }
    while let extent = try? store.createExtent(slotBytes: 8192) { bytes += extent.totalBytes }
    #expect(bytes == store.committedBytes && bytes <= 1_000_000 && bytes > 990_000)
    let full = DiskTierError.full(
      path: store.directory, capacityBytes: 1_000_000, fileSystem: false)
    #expect(throws: full) { try store.createExtent(slotBytes: 8192) }
    let first = store.extents[0]
    try store.deleteExtent(first)
    #expect(store.committedBytes == bytes - first.totalBytes)
    _ = try store.createExtent(slotBytes: 8192)
  }

  @Test("With a smaller capacity the newest extents are used, the others stay, and none is made")
  func smallerCapacity() throws {
    let directory = TemporaryDirectory()
    do {
      let store = try DiskStore.test(directory, capacityBytes: 1 << 20, Outcomes())
      for _ in 0..<8 { _ = try store.createExtent(slotBytes: 8192) }
    }
    let store = try DiskStore.test(directory, capacityBytes: 1 << 19, Outcomes())
    #expect(store.extents.map(\.id) == [5, 6, 7, 8])
    #expect(store.warnings.count == 1)
    #expect(throws: DiskTierError.self) { try store.createExtent(slotBytes: 8192) }
    #expect(try Directory.list(store.directory + "/extents").count == 8 + 2)
  }

  @Test("Errors name the path, the reason and the remedy")
  func errors() throws {
    let directory = TemporaryDirectory()
    try directory.write("file", "x")
    for path in ["/file", "/file/store"] {
      do {
        _ = try DiskStore.open(directory: directory.path + path, capacityBytes: 1 << 20) { _, _ in }
        Issue.record("opened \(path)")
      } catch {
        #expect("\(error)".contains(directory.path + "/file"))
        #expect("\(error)".contains("Not a directory") && "\(error)".contains("Name a path"))
      }
    }
    #expect(throws: DiskTierError.badSize(field: "disk capacity", bytes: 4096)) {
      try DiskStore.open(directory: directory.path + "/s", capacityBytes: 4096) { _, _ in }
    }
    #expect(throws: DiskTierError.badSize(field: "slot", bytes: 5000)) {
      try DiskStore.test(directory, Outcomes()).createExtent(slotBytes: 5000)
    }
    #expect(throws: DiskTierError.self) { try StoreInspector(directory: "/nonexistent/store") }
  }
}
