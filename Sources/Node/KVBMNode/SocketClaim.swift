import CLinux
import Glibc
import Wire

/// The right to listen at a path: a lock beside it that dies with its owner, then the socket.
final class SocketClaim {
  /// The socket's path, in a directory that is made when it is not there.
  let path: String
  /// The listening socket, which does not block; closed by `release`.
  let listener: Int32
  private let lock: Int32
  private var isReleased = false

  /// - Throws: `alreadyRunning` when another node has it; `system` naming path and remedy.
  init(path: String) throws(NodeError) {
    self.path = path
    try Self.makeDirectory(of: path)
    let lockPath = path + ".lock"
    let lock = clinux_open_data(lockPath, 1, 0)
    guard lock >= 0 else { throw Self.failure("open", lockPath) }
    // A node that is about to end lets the lock go within moments.
    var attempts = 0
    while clinux_lock_file(lock) != 0 {
      attempts += 1
      guard attempts < 20 else {
        close(lock)
        throw .alreadyRunning("another node listens at \(path)")
      }
      usleep(50_000)
    }
    unlink(path)
    let listener = UnixSocket.listen(path: path)
    guard listener >= 0 else {
      errno = -listener
      let error = Self.failure("listen at", path)
      close(lock)
      throw error
    }
    _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK)
    self.lock = lock
    self.listener = listener
  }

  deinit { release() }

  /// Stops listening and lets the path go. The lock file stays: removing it would let two in.
  func release() {
    guard !isReleased else { return }
    isReleased = true
    unlink(path)
    close(listener)
    close(lock)
  }

  private static func makeDirectory(of path: String) throws(NodeError) {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
    let directory = String(path[..<slash])
    guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
      throw failure("make the directory", directory)
    }
  }

  private static func failure(_ what: String, _ path: String) -> NodeError {
    .system(
      "cannot \(what) \(path): \(String(cString: strerror(errno))). "
        + "Name another socket, in a directory of this user.")
  }
}
