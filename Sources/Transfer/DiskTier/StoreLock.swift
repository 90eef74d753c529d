import CLinux
import Glibc

/// The right to write into a store's directory: an flock, which ends with its holder.
///
/// The file holds the holder's pid, for the message to whoever comes second. It is not deleted: two
/// processes could then hold locks on two files of one name.
final class StoreLock: Sendable {
  private let file: FileHandle

  /// Takes the lock or throws `inUse`.
  init(path: String) throws(DiskTierError) {
    file = try FileHandle.open(path, create: true)
    guard clinux_lock_file(file.fd) == 0 else {
      guard errno == EWOULDBLOCK else { throw .system(call: "flock", path: path, errno: errno) }
      let text = (try? Directory.read(path, limit: 32)).flatMap { $0 } ?? []
      let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0 }
      throw .inUse(path: path, holder: Int32(String(decoding: digits, as: UTF8.self)))
    }
    // For messages only: on a full file system the lock counts without it.
    let line = Array("\(getpid())\n".utf8)
    if ftruncate(file.fd, 0) == 0 {
      _ = line.withUnsafeBytes {
        Transfer.write(file.fd, from: $0.baseAddress!, count: $0.count, at: 0)
      }
    }
  }
}
