import CLinux
import Glibc

/// An open file that closes itself: complete reads and writes at offsets, from any thread.
final class FileHandle: Sendable {
  /// Open as long as this object lives.
  let fd: Int32
  /// For messages; the file may have lost its name meanwhile.
  let path: String

  /// Takes over an open descriptor.
  init(adopting fd: Int32, path: String) {
    self.fd = fd
    self.path = path
  }

  deinit { close(fd) }

  /// Opens a private data file for reading and writing; links are not followed.
  static func open(
    _ path: String, create: Bool = false, direct: Bool = false
  ) throws(DiskTierError) -> FileHandle {
    let fd = clinux_open_data(path, create ? 1 : 0, direct ? 1 : 0)
    guard fd >= 0 else { throw .system(call: "open", path: path, errno: errno) }
    return FileHandle(adopting: fd, path: path)
  }

  /// Opens a file for reading; links are not followed.
  static func openReadOnly(
    _ path: String, direct: Bool = false
  ) throws(DiskTierError) -> FileHandle {
    let fd = clinux_open_readonly(path, direct ? 1 : 0)
    guard fd >= 0 else { throw .system(call: "open", path: path, errno: errno) }
    return FileHandle(adopting: fd, path: path)
  }

  /// Size in bytes; throws as well when it is no regular file.
  func size() throws(DiskTierError) -> Int64 {
    var status = stat()
    guard fstat(fd, &status) == 0 else { throw .system(call: "fstat", path: path, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .system(call: "open", path: path, errno: ENODEV)
    }
    return Int64(status.st_size)
  }

  /// When it was last written to, in nanoseconds since 1970; nil when the system does not say.
  var modified: Int64? {
    var status = stat()
    guard fstat(fd, &status) == 0 else { return nil }
    return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }
}

/// One complete transfer between a file and memory, with short ones continued.
enum Transfer {
  /// Reads exactly `count` bytes; the errno, or 0. The end of the file is `EIO`.
  static func read(
    _ fd: Int32, into address: UnsafeMutableRawPointer, count: Int, at offset: Int64
  ) -> Int32 {
    whole(count) { done in pread(fd, address + done, count - done, off_t(offset) + off_t(done)) }
  }

  /// Writes exactly `count` bytes; the errno, or 0.
  static func write(
    _ fd: Int32, from address: UnsafeRawPointer, count: Int, at offset: Int64
  ) -> Int32 {
    whole(count) { done in pwrite(fd, address + done, count - done, off_t(offset) + off_t(done)) }
  }

  private static func whole(_ count: Int, _ step: (Int) -> Int) -> Int32 {
    var done = 0
    while done < count {
      let moved = step(done)
      if moved > 0 {
        done += moved
      } else if moved == 0 {
        return EIO
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}

/// Page-aligned memory of its owner's, for direct I/O.
final class AlignedBuffer: @unchecked Sendable {
  /// The memory, valid as long as this object.
  let bytes: UnsafeMutableRawBufferPointer

  /// `count` zeroed bytes.
  init(count: Int) {
    bytes = .allocate(byteCount: count, alignment: 4096)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { bytes.deallocate() }

  /// The first byte.
  var address: UnsafeMutableRawPointer { bytes.baseAddress! }
}
