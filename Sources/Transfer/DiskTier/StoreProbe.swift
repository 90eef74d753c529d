import CLinux
import Glibc

/// What the file system under a store can do, found out by doing it.
struct StoreProbe: Sendable {
  /// A page went around the page cache and came back.
  var supportsDirectIO = false
  /// Blocks can be had before they are written.
  var supportsFallocate = false

  /// There was no room for the probe; what could not be tried is assumed to work.
  var isFull = false

  /// Writes, reads and allocates a small file of its own in the directory, and deletes it.
  ///
  /// A full file system is no obstacle: what is in the store can still be read and replaced.
  ///
  /// - Throws: `system` when not even a buffered write and read work.
  init(path: String, tryDirectIO: Bool) throws(DiskTierError) {
    unlink(path)
    defer { unlink(path) }
    do throws(DiskTierError) {
      if tryDirectIO, let file = try? FileHandle.open(path, create: true, direct: true) {
        let code = Self.roundTrip(file.fd, pattern: 0xA5)
        isFull = Self.meansFull(code)
        supportsDirectIO = code == 0 || isFull
      }
      let file = try FileHandle.open(path, create: true)
      if !supportsDirectIO {
        let code = Self.roundTrip(file.fd, pattern: 0x5A)
        isFull = Self.meansFull(code)
        if code != 0 && !isFull { throw .system(call: "write", path: path, errno: code) }
      }
      supportsFallocate =
        clinux_fallocate(file.fd, 0, 0, 65_536) == 0 || Self.meansFull(errno)
    } catch {
      guard case .system(_, _, let code) = error, Self.meansFull(code) else { throw error }
      isFull = true
      supportsFallocate = true
    }
  }

  /// Whether the errno says that there is no room.
  static func meansFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

  private static func roundTrip(_ fd: Int32, pattern: UInt8) -> Int32 {
    let written = AlignedBuffer(count: 4096)
    let found = AlignedBuffer(count: 4096)
    written.bytes.initializeMemory(as: UInt8.self, repeating: pattern)
    let writeCode = Transfer.write(fd, from: written.address, count: 4096, at: 0)
    guard writeCode == 0 else { return writeCode }
    let readCode = Transfer.read(fd, into: found.address, count: 4096, at: 0)
    guard readCode == 0 else { return readCode }
    return memcmp(written.address, found.address, 4096) == 0 ? 0 : EIO
  }
}
