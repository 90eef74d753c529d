import Glibc

/// An open file of the store that closes itself.
struct ObjectFile: ~Copyable {
  /// Open as long as this value lives.
  private var fd: Int32
  /// For messages.
  private let path: String

  deinit { if fd >= 0 { Glibc.close(fd) } }

  /// Opens a file for reading; links are not followed.
  ///
  /// - Throws: `system`, with ENOENT when there is no such file.
  init(reading path: String) throws(ObjectError) {
    try self.init(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  /// Makes a file that was not there, for this user to write and its group to read.
  ///
  /// - Throws: `system`, with ENOENT when its directory is not there.
  init(making path: String) throws(ObjectError) {
    try self.init(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
  }

  private init(_ path: String, _ flags: Int32) throws(ObjectError) {
    fd = open(path, flags | O_CLOEXEC, 0o640)
    let code = errno
    self.path = path
    guard fd >= 0 else { throw .system(call: "open", path: path, errno: code) }
  }

  /// What the file is now.
  func status() throws(ObjectError) -> stat {
    var status = stat()
    guard fstat(fd, &status) == 0 else { throw .system(call: "fstat", path: path, errno: errno) }
    return status
  }

  /// Reads from the beginning; how many bytes there were, at most `count`.
  ///
  /// - Throws: `system`; `timedOut` when the deadline passes between two pieces.
  func read(
    into address: UnsafeMutableRawPointer, count: Int, deadline: UInt64
  ) throws(ObjectError) -> Int {
    try pieces(count, deadline, call: "read") { done, piece in
      pread(fd, address + done, piece, off_t(done))
    }
  }

  /// Writes all bytes from the beginning.
  ///
  /// - Throws: `system`; `timedOut` when the deadline passes between two pieces.
  func write(
    from address: UnsafeRawPointer, count: Int, deadline: UInt64
  ) throws(ObjectError) {
    let written = try pieces(count, deadline, call: "write") { done, piece in
      pwrite(fd, address + done, piece, off_t(done))
    }
    if written < count { throw .system(call: "write", path: path, errno: EIO) }
  }

  /// Has the file server keep what was written, and closes: some say only here what went wrong.
  mutating func finish() throws(ObjectError) {
    guard fsync(fd) == 0 else { throw .system(call: "fsync", path: path, errno: errno) }
    let open = fd
    fd = -1
    guard Glibc.close(open) == 0 else { throw .system(call: "close", path: path, errno: errno) }
  }

  /// Notes that a file was used, for the sweep; where that is not allowed it ages as it did.
  static func touchAccessTime(_ path: String) {
    let times = [timespec(tv_sec: 0, tv_nsec: now), timespec(tv_sec: 0, tv_nsec: omit)]
    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW)
  }

  private func pieces(
    _ count: Int, _ deadline: UInt64, call: String, _ move: (Int, Int) -> Int
  ) throws(ObjectError) -> Int {
    var done = 0
    while done < count {
      let moved = move(done, min(Self.pieceBytes, count - done))
      if moved == 0 { break }
      if moved > 0 {
        done += moved
        if done < count && MonotonicClock.now >= deadline { throw .timedOut }
      } else if errno != EINTR {
        throw .system(call: call, path: path, errno: errno)
      }
    }
    return done
  }

  private static let pieceBytes = 4 << 20
  /// UTIME_NOW and UTIME_OMIT of Linux, which are macros.
  private static let now = (1 << 30) - 1
  private static let omit = (1 << 30) - 2
}
