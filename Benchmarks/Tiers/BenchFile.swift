import CLinux
import Glibc

/// A file of full length in a directory that is measured; it goes with the last reference.
final class BenchFile: Sendable {
  /// Open for direct I/O where that can be had.
  let fd: Int32
  /// Its name.
  let path: String
  /// How long it is.
  let byteCount: Int
  /// Whether the page cache is left out.
  let isDirect: Bool

  private static let pieceBytes = 1 << 20

  /// Makes the file, every byte written; nil, with the errno in `code`, when it cannot be.
  init?(directory: String, byteCount: Int, code: inout Int32) {
    path = "\(directory)/.kvbm-bench-\(getpid())"
    self.byteCount = byteCount
    unlink(path)
    let direct = clinux_open_data(path, 1, 1)
    isDirect = direct >= 0
    fd = isDirect ? direct : clinux_open_data(path, 1, 0)
    guard fd >= 0 else {
      code = errno
      return nil
    }
    guard let piece = Region(Self.pieceBytes) else {
      code = ENOMEM
      return nil
    }
    for offset in stride(from: 0, to: byteCount, by: Self.pieceBytes)
    where pwrite(fd, piece.base, Self.pieceBytes, off_t(offset)) != Self.pieceBytes {
      code = errno == 0 ? EIO : errno
      return nil
    }
    fsync(fd)
  }

  deinit {
    if fd >= 0 { close(fd) }
    unlink(path)
  }
}
