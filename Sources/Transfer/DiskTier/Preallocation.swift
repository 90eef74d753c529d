import CLinux
import Glibc

/// Gives a file its full length, with its blocks where the file system can.
enum Preallocation {
  /// - Throws: `system`; the file's length is then anything between the old and the new one.
  static func grow(_ file: FileHandle, to bytes: Int, fallocate: Bool) throws(DiskTierError) {
    if fallocate {
      while clinux_fallocate(file.fd, 0, 0, Int64(bytes)) != 0 {
        if errno == EINTR { continue }
        throw .system(call: "fallocate", path: file.path, errno: errno)
      }
    } else if ftruncate(file.fd, off_t(bytes)) != 0 {
      throw .system(call: "ftruncate", path: file.path, errno: errno)
    }
  }
}
