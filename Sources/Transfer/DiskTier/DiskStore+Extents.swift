import BlockIdentity
import Glibc

extension DiskStore {
  /// Makes an extent of free slots, as long as options and remaining capacity allow.
  ///
  /// - Parameter slotBytes: a multiple of 4096, 8192 at least.
  /// - Throws: `full` when capacity or file system have no room; `badSize`; `system`. No file is
  ///   left then.
  /// - Complexity: a file is made and allocated: some milliseconds.
  public func createExtent(slotBytes: Int) throws(DiskTierError) -> DiskExtent {
    guard slotBytes >= 8192, slotBytes % 4096 == 0 else {
      throw .badSize(field: "slot", bytes: slotBytes)
    }
    guard let name = reserve(slotBytes: slotBytes) else {
      throw .full(path: layout.directory, capacityBytes: capacityBytes, fileSystem: false)
    }
    let path = layout.path(of: name)
    do {
      let file = try FileHandle.open(path, create: true, direct: supportsDirectIO)
      try Preallocation.grow(file, to: name.totalBytes, fallocate: supportsFallocate)
      try keepNames()
      let extent = DiskExtent(name, file: file)
      state.withLock { $0.extents[name.id] = extent }
      let free = SlotNote(content: SlotNote.free)
      notes.withLock { $0.enter(name.id, Array(repeating: free, count: name.slotCount)) }
      return extent
    } catch {
      unlink(path)
      state.withLock { $0.committedBytes -= name.totalBytes }
      if case .system(_, _, let code) = error, StoreProbe.meansFull(code) {
        throw .full(path: layout.directory, capacityBytes: capacityBytes, fileSystem: true)
      }
      throw error
    }
  }

  /// How long an extent of slots of that size is where capacity allows, in bytes.
  public func extentBytes(slotBytes: Int) -> Int {
    let wanted = max(options.extentBytes(capacityBytes: capacityBytes), slotBytes)
    return wanted / slotBytes * slotBytes
  }

  /// Deletes an extent and all that is in it.
  ///
  /// The caller has no reads or writes of it under way, and knows of no slot of another version.
  public func deleteExtent(_ extent: DiskExtent) throws(DiskTierError) {
    guard unlink(extent.path) == 0 || errno == ENOENT else {
      throw .system(call: "unlink", path: extent.path, errno: errno)
    }
    notes.withLock { $0.remove(extent.id) }
    // Back after a loss of power, it would take the room of one that came after it.
    try keepNames()
    state.withLock { state in
      if state.extents.removeValue(forKey: extent.id) != nil {
        state.committedBytes -= extent.totalBytes
      }
    }
  }

  /// Keeps a namespace's canonical description in the store, for people who inspect it.
  ///
  /// - Complexity: a small file, once for each namespace.
  public func noteNamespace(
    _ namespace: Namespace, description: [UInt8]
  ) throws(DiskTierError) {
    let digest = namespace.digest.description
    guard !state.withLock({ $0.notedNamespaces.contains(digest) }) else { return }
    let path = layout.path(ofNamespace: digest)
    if try Directory.read(path) != description { try Directory.replace(path, with: description) }
    state.withLock { state in
      // Only a memory of what was written: forgetting costs one more look at the file.
      if state.notedNamespaces.count >= 1024 { state.notedNamespaces.removeAll() }
      state.notedNamespaces.insert(digest)
    }
  }

  /// What is flushed into a file is of no use when the file's name is lost.
  private func keepNames() throws(DiskTierError) {
    guard options.flush == .each else { return }
    let code = options.flushNames(layout.extentsPath)
    guard code == 0 else {
      throw .system(call: "fsync", path: layout.extentsPath, errno: code)
    }
  }

  private func reserve(slotBytes: Int) -> ExtentName? {
    state.withLock { state in
      let remaining = capacityBytes - state.committedBytes
      guard remaining >= slotBytes, state.nextID < UInt32.max else { return nil }
      let wanted = max(options.extentBytes(capacityBytes: capacityBytes), slotBytes)
      let name = ExtentName(
        id: state.nextID, slotBytes: slotBytes, slotCount: min(wanted, remaining) / slotBytes)
      state.nextID += 1
      state.committedBytes += name.totalBytes
      return name
    }
  }
}
