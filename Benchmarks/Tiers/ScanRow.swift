import BlockIdentity
import CLinux
import DiskTier
import Glibc
import KVLayout

/// How long a start looks at the slots of a full store, beside one read of a page after the other.
struct ScanRow {
  /// Where the store is made.
  let directory: String
  /// Its slots, all in use.
  let slotCount: Int

  private static let capacityBytes = 2 << 30

  /// Returns what made it impossible, as a sentence.
  func measure(_ report: (TierRow) -> Void) -> String? {
    let path = "\(directory)/.kvbm-bench-store-\(getpid())"
    defer { remove(path) }
    do {
      let headers = try scanHeaders(path, report)
      guard let headers else { return "\(path): not all blocks were written and found" }
      return try scanIndex(path, beside: headers, report)
    } catch {
      return "\(error)"
    }
  }

  private static func open(_ path: String) throws(DiskTierError) -> DiskStore {
    try DiskStore.open(directory: path, capacityBytes: capacityBytes) { _, _ in }
  }

  /// Fills a store and scans it; blocks and milliseconds, nil when some were not found.
  private func scanHeaders(
    _ path: String, _ report: (TierRow) -> Void
  ) throws -> (count: Int, milliseconds: Double)? {
    let shape = try BlockShape(
      headCount: 1, layerCount: 1, blockTokens: 16, tokenBytes: 256, elementBytes: 2)
    let store = try Self.open(path)
    defer { store.close() }
    var extents: [DiskExtent] = []
    var filled = 0
    while filled < slotCount {
      let extent = try store.createExtent(slotBytes: shape.slotBytes)
      guard fill(extent, shape, from: filled) == 0 else { return nil }
      extents.append(extent)
      filled += extent.slotCount
    }
    let (found, took) = scan(store)
    guard found == filled else { return nil }
    report(
      .time(
        "scan of \(filled) slots at the start, \(store.driverName)",
        beside: "a page after the other", [Turn(value: took, yardstick: serially(extents, shape))]))
    return (filled, took)
  }

  /// Opens it again, with the index that closing it has left.
  private func scanIndex(
    _ path: String, beside headers: (count: Int, milliseconds: Double), _ report: (TierRow) -> Void
  ) throws -> String? {
    let start = Machine.seconds
    let store = try Self.open(path)
    defer { store.close() }
    let (found, _) = scan(store)
    let took = (Machine.seconds - start) * 1e3
    guard found == headers.count else { return "\(path): the index has \(found) blocks" }
    report(
      .time(
        "opening of \(found) slots with the index of a clean stop", beside: "a scan of the headers",
        [Turn(value: took, yardstick: headers.milliseconds)]))
    return nil
  }

  /// Blocks that are found, and how many milliseconds that takes.
  private func scan(_ store: DiskStore) -> (count: Int, milliseconds: Double) {
    let start = Machine.seconds
    let found = store.extents.reduce(0) { $0 + store.scan($1).blocks.count }
    return (found, (Machine.seconds - start) * 1e3)
  }

  /// Writes a sealed block into each slot; the errno, or 0.
  private func fill(_ extent: DiskExtent, _ shape: BlockShape, from first: Int) -> Int32 {
    let fd = clinux_open_data(extent.path, 0, 0)
    guard fd >= 0 else { return errno }
    defer { close(fd) }
    let batch = 128
    guard let region = Region(batch * shape.slotBytes) else { return ENOMEM }
    let namespace = Array("{\"bench\":1}".utf8).withUnsafeBytes { Namespace(description: $0) }
    for begin in stride(from: 0, to: extent.slotCount, by: batch) {
      let count = min(batch, extent.slotCount - begin)
      for index in 0..<count {
        let key = BlockKey(high: UInt64(first + begin + index + 1), low: 7)
        var description = SlotDescription(namespace: namespace, key: key, shape: shape)
        description.writeSequence = UInt64(first + begin + index + 1)
        SlotHeader.seal(region.base + index * shape.slotBytes, description)
      }
      let bytes = count * shape.slotBytes
      guard pwrite(fd, region.base, bytes, off_t(begin * shape.slotBytes)) == bytes else {
        return errno == 0 ? EIO : errno
      }
    }
    return fsync(fd) == 0 ? 0 : errno
  }

  /// Milliseconds for the first pages alone, each read after the other, around the page cache.
  private func serially(_ extents: [DiskExtent], _ shape: BlockShape) -> Double? {
    guard let page = Region(4096) else { return nil }
    let start = Machine.seconds
    for extent in extents {
      let fd = clinux_open_readonly(extent.path, 1)
      guard fd >= 0 else { return nil }
      defer { close(fd) }
      for slot in 0..<extent.slotCount
      where pread(fd, page.base, 4096, off_t(slot * shape.slotBytes)) != 4096 { return nil }
    }
    return (Machine.seconds - start) * 1e3
  }

  /// Takes away what was made here: a store has two levels of directories.
  private func remove(_ path: String) {
    guard let entries = opendir(path) else {
      unlink(path)
      return
    }
    var names: [String] = []
    while let entry = readdir(entries) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    closedir(entries)
    for name in names { remove("\(path)/\(name)") }
    rmdir(path)
  }
}
