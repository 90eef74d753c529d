import Glibc

/// Directories and small files: listed, made, read, and replaced in one step.
package enum Directory {
  /// Names of a directory's entries in any order; empty when there is no such directory.
  package static func list(_ path: String) throws(DiskTierError) -> [String] {
    guard let directory = opendir(path) else {
      if errno == ENOENT { return [] }
      throw .system(call: "opendir", path: path, errno: errno)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(directory) else {
        guard errno == 0 else { throw .system(call: "readdir", path: path, errno: errno) }
        return names
      }
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { name in
          name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
  }

  /// Makes a directory and those above it, for this user alone, where they are missing.
  static func make(_ path: String) throws(DiskTierError) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for name in path.split(separator: "/") {
      partial += (partial.isEmpty || partial.hasSuffix("/") ? "" : "/") + name
      if mkdir(partial, 0o700) != 0 && errno != EEXIST {
        let code = errno
        // A directory that is there may still refuse to be made, on a read-only parent.
        if access(partial, F_OK) == 0 { continue }
        throw .system(call: "mkdir", path: partial, errno: code)
      }
    }
    var status = stat()
    guard stat(path, &status) == 0 else { throw .system(call: "stat", path: path, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .system(call: "mkdir", path: path, errno: ENOTDIR)
    }
  }

  /// A small file's bytes, at most `limit`; nil when it does not exist.
  package static func read(_ path: String, limit: Int = 1 << 20) throws(DiskTierError) -> [UInt8]? {
    let file: FileHandle
    do {
      file = try FileHandle.openReadOnly(path)
    } catch .system(_, _, ENOENT) {
      return nil
    }
    let count = min(limit, Int(try file.size()))
    var bytes = [UInt8](repeating: 0, count: count)
    let code = bytes.withUnsafeMutableBytes { buffer in
      buffer.isEmpty ? 0 : Transfer.read(file.fd, into: buffer.baseAddress!, count: count, at: 0)
    }
    guard code == 0 else { throw .system(call: "read", path: path, errno: code) }
    return bytes
  }

  /// Writes a small file so that it is there whole or not at all, also after a crash.
  static func replace(_ path: String, with bytes: [UInt8]) throws(DiskTierError) {
    let temporary = path + ".new"
    unlink(temporary)
    let file = try FileHandle.open(temporary, create: true)
    let code = bytes.withUnsafeBytes { buffer in
      buffer.isEmpty
        ? 0 : Transfer.write(file.fd, from: buffer.baseAddress!, count: buffer.count, at: 0)
    }
    guard code == 0, fsync(file.fd) == 0 else {
      let reason = code == 0 ? errno : code
      unlink(temporary)
      throw .system(call: "write", path: temporary, errno: reason)
    }
    guard rename(temporary, path) == 0 else {
      let reason = errno
      unlink(temporary)
      throw .system(call: "rename", path: path, errno: reason)
    }
    // The name itself: without this it may be gone after a power loss, which costs a rewrite.
    let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    _ = flushNames(parent)
  }

  /// Has the device keep the names in a directory; 0, or the errno.
  @Sendable
  static func flushNames(_ path: String) -> Int32 {
    guard let directory = try? FileHandle.openReadOnly(path) else { return errno }
    return fsync(directory.fd) == 0 ? 0 : errno
  }
}
