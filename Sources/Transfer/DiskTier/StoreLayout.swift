/// The names in a store's directory. Whatever has another name is not ours and is left alone.
struct StoreLayout: Sendable {
  /// Without a trailing slash.
  let directory: String

  /// The names in a directory, given with or without a slash at its end.
  init(directory: String) {
    var path = directory
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    self.directory = path
  }

  /// Locked by the process that writes.
  var lockPath: String { directory + "/kvbm.lock" }
  /// Says that this is a store, and of which format.
  var markerPath: String { directory + "/kvbm-store.json" }
  /// There only while the file system is tried out.
  var probePath: String { directory + "/kvbm-probe" }
  /// What is in the slots, from when the store was closed to when it is opened.
  var snapshotPath: String { directory + "/kvbm-index" }
  /// Where the slots are.
  var extentsPath: String { directory + "/extents" }
  /// Where the descriptions of namespaces are.
  var namespacesPath: String { directory + "/namespaces" }

  /// The file of an extent.
  func path(of extent: ExtentName) -> String { extentsPath + "/" + extent.fileName }
  /// The file of a namespace, by its digest in hexadecimal.
  func path(ofNamespace digest: String) -> String { namespacesPath + "/" + digest + ".json" }
}

/// What an extent's file name says: `<8 hex id>-<slot bytes>-<slot count>.kvx`.
struct ExtentName: Hashable, Sendable {
  /// Higher is newer.
  var id: UInt32
  /// Bytes of one slot, a multiple of 4096.
  var slotBytes: Int
  /// Slots, 1 at least.
  var slotCount: Int

  /// No extent is larger; a name that says so is not ours.
  static let bytesMax = 1 << 44

  /// How long the file must be.
  var totalBytes: Int { slotBytes * slotCount }

  /// The one spelling.
  var fileName: String {
    let hex = String(id, radix: 16)
    return String(repeating: "0", count: 8 - hex.count) + hex + "-\(slotBytes)-\(slotCount).kvx"
  }

  /// A name for a new extent, or a checked one.
  init(id: UInt32, slotBytes: Int, slotCount: Int) {
    self.id = id
    self.slotBytes = slotBytes
    self.slotCount = slotCount
  }

  /// Nil for every name that is not exactly what `fileName` makes.
  init?(fileName: String) {
    guard fileName.utf8.count < 64, fileName.hasSuffix(".kvx") else { return nil }
    let parts = fileName.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, let id = UInt32(parts[0], radix: 16), let slotBytes = Int(parts[1]),
      let slotCount = Int(parts[2]), slotBytes >= 8192, slotBytes % 4096 == 0, slotCount > 0,
      slotBytes <= Self.bytesMax, slotCount <= Self.bytesMax / slotBytes
    else { return nil }
    self.init(id: id, slotBytes: slotBytes, slotCount: slotCount)
    guard self.fileName == fileName else { return nil }
  }
}
