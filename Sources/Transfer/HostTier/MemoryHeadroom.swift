import Glibc

/// How much memory this process may still take before the machine or its cgroup runs out.
///
/// The least of `/proc/meminfo`'s MemAvailable and, for the process's own cgroup and each above it,
/// limit less use, where clean page cache of the cgroup counts as free: it goes before anybody is
/// killed. Both cgroup versions are understood; what cannot be read sets no limit.
public struct MemoryHeadroom: Sendable {
  /// Where `proc` and `sys` are looked up: "/" but in tests.
  public let root: String

  /// A reader below `root`.
  public init(root: String = "/") {
    self.root = root.hasSuffix("/") ? root : root + "/"
  }

  /// Bytes that may be taken and still leave `reserveBytes`; 0 when there are none.
  ///
  /// - Complexity: a few small files are read, some 100 µs.
  public func availableBytes(reserveBytes: Int = 0) -> Int {
    var available = Int.max
    if let text = read("proc/meminfo"), let bytes = Self.availableBytes(meminfo: text) {
      available = bytes
    }
    if let text = read("proc/self/cgroup") {
      for group in Self.cgroups(text) {
        for directory in Self.directories(of: group) {
          if let bytes = headroom(of: directory, group.version) {
            available = min(available, bytes)
          }
        }
      }
    }
    return max(0, available - max(0, reserveBytes))
  }

  private func headroom(of directory: String, _ version: CgroupVersion) -> Int? {
    let names = version.fileNames
    guard let limitText = read(directory + "/" + names.limit),
      let limit = Self.limitBytes(limitText),
      let usageText = read(directory + "/" + names.usage), let usage = Self.number(usageText)
    else { return nil }
    let cache =
      read(directory + "/memory.stat")
      .flatMap { Self.field(names.inactiveFile, of: $0) } ?? 0
    return max(0, limit - max(0, usage - cache))
  }

  private func read(_ path: String) -> String? {
    let fd = open(root + path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes {
        Glibc.read(fd, $0.baseAddress! + count, $0.count - count)
      }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { break }
      count += got
    }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
