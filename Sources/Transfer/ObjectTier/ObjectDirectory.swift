import Glibc
import KVLayout
import Synchronization

/// A directory of objects, which any number of nodes read and write: the calls, without threads.
///
/// `<root>/<namespace>/<first byte of the key>/<key>.<format>`; see docs/object-store.md. Nothing
/// is touched that has not such a name, or that of a temporary file.
final class ObjectDirectory: Sendable {
  /// What a put or get met.
  enum Found: Hashable, Sendable {
    /// Written or read as it should be.
    case asWanted
    /// A put's object was there already.
    case existing
    /// A get's object is not there.
    case missing
    /// A get's object had another length, and is deleted.
    case damaged
  }

  /// Without a slash at its end.
  let root: String
  /// The file system that the root was in when it was last seen with its marker.
  private let device: Atomic<UInt>

  /// Opens a store, and makes it in an empty directory or where there is none.
  ///
  /// - Throws: `notAStore`, `newerFormat`, `system`.
  init(_ root: String) throws(ObjectError) {
    var path = root
    while path.utf8.count > 1 && path.hasSuffix("/") { path.removeLast() }
    try ObjectMarker.open(path)
    self.root = path
    device = Atomic(Self.device(of: path) ?? 0)
  }

  /// Stores bytes under a name that nobody has, whole or not at all.
  ///
  /// - Throws: `system`, `gone`, `timedOut`; a temporary file stays when it cannot be deleted.
  func put(_ name: ObjectName, _ bytes: UnsafeRawBufferPointer, deadline: UInt64)
    throws(ObjectError) -> Found
  {
    let path = "\(root)/\(name.path)"
    // One with another length was cut by somebody: nobody can use it, and it would stay for ever.
    var status = stat()
    if lstat(path, &status) == 0 {
      if status.st_size == bytes.count {
        Self.noteUse(path, status)
        return .existing
      }
      unlink(path)
    }
    let temporary = "\(folder(of: name))/\(TemporaryName.next())"
    var file = try makeFile(temporary, for: name)
    defer { unlink(temporary) }
    try file.write(from: bytes.baseAddress!, count: bytes.count, deadline: deadline)
    try file.finish()
    return try ObjectLink.publish(temporary, as: path) ? .asWanted : .existing
  }

  /// Reads an object that is as long as the memory.
  ///
  /// - Throws: `system`, `gone`, `timedOut`.
  func get(_ name: ObjectName, into memory: UnsafeMutableRawBufferPointer, deadline: UInt64)
    throws(ObjectError) -> Found
  {
    let path = "\(root)/\(name.path)"
    do throws(ObjectError) {
      let file = try ObjectFile(reading: path)
      let status = try file.status()
      var count = -1
      if status.st_size == memory.count && status.st_mode & S_IFMT == S_IFREG {
        count = try file.read(
          into: memory.baseAddress!, count: memory.count, deadline: deadline)
      }
      guard count == memory.count else {
        unlink(path)
        return .damaged
      }
      Self.noteUse(path, status)
      return .asWanted
    } catch .system(_, _, ENOENT) {
      try confirmRoot()
      return .missing
    } catch .system(_, _, ESTALE) {
      // Deleted by another node while it was read.
      try confirmRoot()
      return .missing
    }
  }

  /// Whether the object is there.
  ///
  /// - Throws: `system`, `gone`.
  func look(_ name: ObjectName) throws(ObjectError) -> Bool {
    let path = "\(root)/\(name.path)"
    var status = stat()
    if lstat(path, &status) == 0 { return true }
    guard errno == ENOENT else { throw .system(call: "stat", path: path, errno: errno) }
    try confirmRoot()
    return false
  }

  /// Deletes an object; false when it was not there.
  ///
  /// - Throws: `system`, `gone`.
  func remove(_ name: ObjectName) throws(ObjectError) -> Bool {
    let path = "\(root)/\(name.path)"
    if unlink(path) == 0 { return true }
    guard errno == ENOENT else { throw .system(call: "unlink", path: path, errno: errno) }
    try confirmRoot()
    return false
  }

  private func folder(of name: ObjectName) -> String {
    "\(root)/\(name.namespaceFolder)/\(name.shardFolder)"
  }

  private func makeFile(_ path: String, for name: ObjectName) throws(ObjectError) -> ObjectFile {
    do throws(ObjectError) {
      return try ObjectFile(making: path)
    } catch .system(_, _, ENOENT) {
      // Folders are made in a directory with a marker only: a file system that is not mounted any
      // more leaves an empty one, on a disk that is not meant.
      try confirmRoot()
      for folder in ["\(root)/\(name.namespaceFolder)", folder(of: name)]
      where mkdir(folder, 0o770) != 0 && errno != EEXIST {
        throw .system(call: "mkdir", path: folder, errno: errno)
      }
      return try ObjectFile(making: path)
    }
  }

  /// Proves that the root is still the store's, and gives an empty one its marker back where it is
  /// in the file system that it was in.
  ///
  /// - Throws: `gone`, `system`.
  private func confirmRoot() throws(ObjectError) {
    guard let found = Self.device(of: root) else { throw .gone(path: root) }
    if access("\(root)/\(ObjectMarker.fileName)", F_OK) == 0 {
      device.store(found, ordering: .relaxed)
      return
    }
    guard found == device.load(ordering: .relaxed), ObjectMarker.isEmpty(root) else {
      throw .gone(path: root)
    }
    try ObjectMarker.make(root)
  }

  private static func device(of path: String) -> UInt? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
    return UInt(status.st_dev)
  }

  /// Makes an object young again, at most once an hour: every read would be a write otherwise.
  private static func noteUse(_ path: String, _ status: stat) {
    if time(nil) - status.st_atim.tv_sec > 3_600 { ObjectFile.touchAccessTime(path) }
  }
}
