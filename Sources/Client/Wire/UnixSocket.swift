import CLinux
import Glibc

/// Unix sockets of whole packets, the way to a node.
public enum UnixSocket {
  /// A path's largest length in bytes, the kernel's limit.
  public static let pathBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// Connects; returns the descriptor, or the negative errno.
  public static func connect(path: String) -> Int32 {
    withAddress(path) { Glibc.connect($0, $1, $2) }
  }

  /// Listens on a path that nobody uses, private to its user; the descriptor, or the negative
  /// errno.
  public static func listen(path: String) -> Int32 {
    let fd = withAddress(path) { Glibc.bind($0, $1, $2) }
    guard fd >= 0 else { return fd }
    // Nobody can connect before it listens; a umask would hold for all threads of the process.
    guard chmod(path, 0o600) == 0, Glibc.listen(fd, 64) == 0 else {
      let error = errno
      Glibc.close(fd)
      return -error
    }
    return fd
  }

  private static func withAddress(
    _ path: String, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count <= pathBytesMax else { return -ENAMETOOLONG }
    let fd = clinux_seqpacket()
    guard fd >= 0 else { return -errno }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        call(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let error = errno
      Glibc.close(fd)
      return -error
    }
    return fd
  }
}
