import Glibc

/// The steps from a path to an open store; each leaves the directory valid.
struct StoreOpening {
  /// The names in the directory.
  let layout: StoreLayout
  /// Held from the second step on.
  let lock: StoreLock
  /// Found or made.
  let marker: StoreMarker
  /// What the file system can do.
  let probe: StoreProbe
  /// What the last run left about its slots; its file is gone.
  let snapshot: StoreSnapshot?
  /// The extents that were found.
  var state = DiskStore.State()
  /// What the operator should know.
  var warnings: [String] = []
  /// Beyond those of all earlier runs, unless the clock was set back; `scan` sees to that.
  let firstWriteSequence: UInt64

  /// Takes all steps, or throws; the lock is not held then.
  init(
    directory: String, capacityBytes: Int, options: DiskOptions
  ) throws(DiskTierError) {
    layout = StoreLayout(directory: directory)
    try Directory.make(layout.directory)
    lock = try StoreLock(path: layout.lockPath)
    (marker, warnings) = try Self.marker(at: layout.markerPath)
    snapshot = try Self.takeSnapshot(layout, marker, options, &warnings)
    try Directory.make(layout.extentsPath)
    try Directory.make(layout.namespacesPath)
    if options.flush == .each { try Self.keepNames(layout, options) }
    probe = try StoreProbe(path: layout.probePath, tryDirectIO: options.useDirectIO)
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    firstWriteSequence = UInt64(max(0, now.tv_sec)) * 1_000_000_000 + UInt64(now.tv_nsec)
    if options.useDirectIO && !probe.supportsDirectIO && !probe.isFull {
      warnings.append(
        "\(layout.directory): the file system has no O_DIRECT; blocks go through the page cache, "
          + "which is slower and takes memory.")
    }
    if probe.isFull {
      warnings.append(
        "\(layout.directory): the file system is full; the store serves what it holds and does not "
          + "grow. Free some space or lower the disk capacity.")
    }
    if !probe.supportsFallocate {
      warnings.append(
        "\(layout.directory): the file system has no fallocate; that it is full shows only when a "
          + "block is written.")
    }
    try listExtents(capacityBytes: capacityBytes)
  }

  /// Reads the index of the last run, and deletes it before anything is written: a process that is
  /// killed leaves none, and a loss of power brings none back.
  private static func takeSnapshot(
    _ layout: StoreLayout, _ marker: StoreMarker, _ options: DiskOptions,
    _ warnings: inout [String]
  ) throws(DiskTierError) -> StoreSnapshot? {
    let path = layout.snapshotPath
    guard let bytes = try Directory.read(path, limit: StoreSnapshot.bytesMax) else { return nil }
    guard unlink(path) == 0 else { throw .system(call: "unlink", path: path, errno: errno) }
    guard options.flushNames(layout.directory) == 0 else { return nil }
    if let snapshot = StoreSnapshot(bytes, storeID: marker.storeID) { return snapshot }
    warnings.append("\(path) was not readable; the slots are looked at one by one.")
    return nil
  }

  /// Has the device keep the names of the store and of what is directly in it.
  private static func keepNames(
    _ layout: StoreLayout, _ options: DiskOptions
  ) throws(DiskTierError) {
    for path in [layout.directory + "/..", layout.directory, layout.extentsPath] {
      let code = options.flushNames(path)
      guard code == 0 else { throw .system(call: "fsync", path: path, errno: code) }
    }
  }

  private static func marker(
    at path: String
  ) throws(DiskTierError) -> (StoreMarker, [String]) {
    var warnings: [String] = []
    if let bytes = try Directory.read(path, limit: 65_536) {
      if let marker = StoreMarker(json: bytes) {
        guard marker.format <= StoreMarker.formatKnown else {
          throw .newerFormat(
            path: path, version: marker.format, known: StoreMarker.formatKnown)
        }
        return (marker, [])
      }
      warnings.append("\(path) was not readable and has been made anew; extents stand alone.")
    }
    let marker = StoreMarker.new()
    try Directory.replace(path, with: marker.json)
    return (marker, warnings)
  }

  /// Takes the newest extents that the capacity has room for; the others stay as they are.
  private mutating func listExtents(capacityBytes: Int) throws(DiskTierError) {
    var names: [ExtentName] = []
    for file in try Directory.list(layout.extentsPath) {
      if let name = ExtentName(fileName: file) { names.append(name) }
    }
    names.sort { ($0.id, $0.slotBytes, $0.slotCount) > ($1.id, $1.slotBytes, $1.slotCount) }
    // The lowest id left is the oldest; ids of 32 bits do not run out at 64 MiB each.
    state.nextID = (names.first?.id ?? 0) &+ 1
    var usedBytes = 0
    var leftOut = 0
    for name in names {
      state.committedBytes += name.totalBytes
      guard usedBytes + name.totalBytes <= capacityBytes, state.extents[name.id] == nil else {
        leftOut += 1
        continue
      }
      do {
        state.extents[name.id] = try openExtent(name)
        usedBytes += name.totalBytes
      } catch {
        warnings.append("An extent is left out: \(error)")
      }
    }
    if leftOut > 0 {
      warnings.append(
        "\(layout.extentsPath): \(leftOut) extents of earlier runs do not fit the capacity of "
          + "\(capacityBytes) bytes and are left alone. Raise the capacity or delete their files.")
    }
  }

  private mutating func openExtent(_ name: ExtentName) throws(DiskTierError) -> DiskExtent {
    let path = layout.path(of: name)
    let file = try FileHandle.open(path, direct: probe.supportsDirectIO)
    let size = try file.size()
    if size < Int64(name.totalBytes) {
      try Preallocation.grow(file, to: name.totalBytes, fallocate: probe.supportsFallocate)
      warnings.append("\(path) was cut to \(size) bytes; what was beyond is free again.")
    }
    return DiskExtent(name, file: file)
  }
}
