import Glibc

/// The socket that scrapers connect to, until `close`.
final class MetricsListener {
  /// Does not block.
  let fd: Int32
  private let path: String?
  private var isClosed = false

  /// Listens.
  ///
  /// - Throws: `system`, naming address and reason; nothing is left behind.
  init(_ address: MetricsAddress) throws(NodeError) {
    if case .unix(let path) = address {
      self.path = path
      try Self.removeStale(path)
    } else {
      path = nil
    }
    let path = self.path
    let opened = address.withAddress { family, pointer, length -> Int32 in
      let fd = socket(family, Int32(SOCK_STREAM.rawValue), 0)
      guard fd >= 0 else { return -errno }
      var on: Int32 = 1
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
      _ = fcntl(fd, F_SETFL, O_NONBLOCK)
      // Nobody can connect before it listens.
      guard bind(fd, pointer, length) == 0, path.map({ chmod($0, 0o600) == 0 }) ?? true,
        listen(fd, 16) == 0
      else {
        let code = errno
        Glibc.close(fd)
        return -code
      }
      return fd
    }
    guard let opened, opened >= 0 else {
      let reason = String(cString: strerror(-(opened ?? -EINVAL)))
      throw .system("cannot listen at \(address) for metrics: \(reason)")
    }
    fd = opened
  }

  deinit { close() }

  /// Takes no more connections, and removes the socket's path.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    if let path { unlink(path) }
    Glibc.close(fd)
  }

  /// A node that was killed left its socket; anything else at the path is not ours.
  private static func removeStale(_ path: String) throws(NodeError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw .system("cannot listen at unix:\(path) for metrics: the path is taken")
    }
    unlink(path)
  }
}
