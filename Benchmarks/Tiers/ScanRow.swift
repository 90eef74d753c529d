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
      let shape = try BlockShape(
        headCount: 1, layerCount: 1, blockTokens: 16, tokenBytes: 256, elementBytes: 2)
      let store = try DiskStore.open(directory: path, capacityBytes: Self.capacityBytes) { _, _ in }
      defer { store.close() }
      var extents: [DiskExtent] = []
      var filled = 0
      while filled < slotCount {
        let extent = try store.createExtent(slotBytes: shape.slotBytes)
        let code = fill(extent, shape, from: filled)
        guard code == 0 else { return "\(path): \(String(cString: strerror(code)))" }
        extents.append(extent)
        filled += extent.slotCount
      }
      let start = Machine.seconds
      var found = 0
      for extent in extents { found += store.scan(extent).blocks.count }
      let took = (Machine.seconds - start) * 1e3
      let beside = serially(extents, shape)
      guard found == filled else { return "\(path): \(found) of \(filled) blocks were found" }
      report(
        .time(
          "scan of \(filled) slots at the start, \(store.driverName)",
          beside: "a page after the other", [Turn(value: took, yardstick: beside)]))
      return nil
    } catch {
      return "\(error)"
    }
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
