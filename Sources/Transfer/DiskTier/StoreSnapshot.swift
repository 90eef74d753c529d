import BlockIdentity
import Glibc
import KVLayout

/// The index of a store as it was when the store was closed: `kvbm-index`.
///
/// Read and deleted when the store is opened, before anything is written, so that no snapshot is
/// older than the slots. An extent whose file was touched since is not taken from it.
struct StoreSnapshot: Sendable {
  /// What it says of an extent.
  struct Extent: Sendable {
    /// Of the file, in nanoseconds since 1970, when the snapshot was made.
    var modified: Int64
    /// One for each slot.
    var notes: [SlotNote]
  }

  /// What blocks have in common, by number.
  private(set) var contexts: [SlotDescription] = []
  /// By the extent's name.
  private(set) var extents: [ExtentName: Extent] = [:]

  private static let magic: UInt64 = 0x3158_4449_4D42_564B
  private static let headBytes = 64
  private static let checksumOffset = 56
  private static let extentHeadBytes = 32
  private static let noteBytes = MemoryLayout<SlotNote>.size
  /// A store with more slots than that is scanned.
  static let bytesMax = 1 << 30

  /// The snapshot of what is noted.
  init(_ notes: SlotNotes, _ extents: [DiskExtent]) {
    contexts = notes.contexts
    for extent in extents {
      guard let slots = notes.extents[extent.id], let modified = extent.file.modified else {
        continue
      }
      self.extents[extent.name] = Extent(modified: modified, notes: slots)
    }
  }

  /// What it says of an extent, once.
  mutating func take(_ name: ExtentName) -> Extent? { extents.removeValue(forKey: name) }

  // MARK: Writing

  /// The file's bytes; nil when it would be too long.
  func bytes(storeID: String) -> [UInt8]? {
    var count = Self.headBytes
    for context in contexts { count += context.shape.headerBytes }
    for name in extents.keys { count += Self.extentHeadBytes + name.slotCount * Self.noteBytes }
    guard count <= Self.bytesMax else { return nil }
    var writer = SnapshotWriter(capacity: count)
    writer.put(Self.magic)
    writer.put(UInt32(1))
    writer.put(UInt32(contexts.count))
    writer.put(UInt64(extents.count))
    for byte in Array(storeID.utf8.prefix(32)) { writer.put(byte) }
    writer.put(UInt64(0))
    for context in contexts { writer.putHeader(context) }
    for (name, extent) in extents.sorted(by: { $0.key.id < $1.key.id }) {
      writer.put(UInt64(name.id))
      writer.put(UInt64(name.slotBytes))
      writer.put(UInt64(name.slotCount))
      writer.put(extent.modified)
      extent.notes.withUnsafeBytes { writer.put($0) }
    }
    let checksum = Self.checksum(writer.bytes)
    withUnsafeBytes(of: checksum) {
      writer.bytes.replaceSubrange(Self.checksumOffset..<Self.checksumOffset + 8, with: $0)
    }
    return writer.bytes
  }

  /// Of all bytes with the field itself zero.
  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { SlotHeader.headChecksum($0, key: .none, group: 0, head: 0) }
  }

  // MARK: Reading

  /// Reads bytes that may be anything; nil when they are no whole snapshot of this store.
  init?(_ bytes: [UInt8], storeID: String) {
    guard bytes.count >= Self.headBytes else { return nil }
    var copy = bytes
    let range = Self.checksumOffset..<Self.checksumOffset + 8
    let written = copy[range].withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    copy.replaceSubrange(range, with: repeatElement(0, count: 8))
    guard Self.checksum(copy) == written else { return nil }
    var reader = SnapshotReader(copy)
    guard reader.take(UInt64.self) == Self.magic, reader.take(UInt32.self) == 1,
      let contextCount = reader.take(UInt32.self), let extentCount = reader.take(UInt64.self),
      let id = reader.take(count: 32), Array(id) == Array(storeID.utf8),
      reader.take(UInt64.self) != nil
    else { return nil }
    for _ in 0..<contextCount {
      guard let context = reader.takeHeader() else { return nil }
      contexts.append(context)
    }
    for _ in 0..<extentCount {
      guard let (name, extent) = Self.extent(&reader) else { return nil }
      extents[name] = extent
    }
  }

  private static func extent(_ reader: inout SnapshotReader) -> (ExtentName, Extent)? {
    guard let id = reader.take(UInt64.self), let slotBytes = reader.take(UInt64.self),
      let slotCount = reader.take(UInt64.self), let modified = reader.take(Int64.self),
      id <= UInt32.max, slotBytes > 0, slotCount > 0, slotCount <= UInt64(bytesMax / noteBytes),
      slotBytes <= UInt64(ExtentName.bytesMax) / slotCount,
      let bytes = reader.take(count: Int(slotCount) * noteBytes)
    else { return nil }
    let notes = [SlotNote](unsafeUninitializedCapacity: Int(slotCount)) { buffer, count in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      count = Int(slotCount)
    }
    let name = ExtentName(
      id: UInt32(id), slotBytes: Int(slotBytes), slotCount: Int(slotCount))
    return (name, Extent(modified: modified, notes: notes))
  }
}
