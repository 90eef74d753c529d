import CLinux
import Glibc

/// How fast one reader gets blocks from a directory's disk, around the page cache.
///
/// What is read was written a moment ago: a device that remembers its last writes looks faster than
/// it is with blocks of last week.
public struct DiskSpeed: Sendable {
  /// Reading whole slots, one after the other, in bytes a second.
  public let readBytesPerSecond: Int

  private static let fileBytesMax = 64 << 20
  private static let writeMilliseconds: UInt64 = 300
  private static let readMilliseconds: UInt64 = 150
  private static let page = 4096

  /// Writes a file of 64 MiB at most, reads it, and removes it; about half a second.
  ///
  /// - Parameter slotBytes: of one read, a multiple of 4096.
  /// - Returns: nil where nothing can be written, or not without the page cache.
  public static func measure(directory: String, slotBytes: Int) -> DiskSpeed? {
    let facts = DirectoryFacts(directory)
    guard facts.obstacle == nil, slotBytes > 0, slotBytes % page == 0 else { return nil }
    let path = "\(facts.nearest)/.kvbm-plan-\(getpid())"
    unlink(path)
    let fd = clinux_open_data(path, 1, 1)
    // Without a name it is gone with this process, however that ends.
    unlink(path)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: slotBytes, alignment: page)
    defer { slot.deallocate() }
    slot.initializeMemory(as: UInt8.self, repeating: 0x5A)
    guard let written = write(slot, to: fd) else { return nil }
    return read(slot, from: fd, slotCount: written)
  }

  /// Whole slots written in the time there is; nil when not even one can be.
  private static func write(_ slot: UnsafeMutableRawBufferPointer, to fd: Int32) -> Int? {
    let limit = max(1, fileBytesMax / slot.count)
    let end = Clock.now.nanoseconds + writeMilliseconds * 1_000_000
    var count = 0
    while count < limit && (count == 0 || Clock.now.nanoseconds < end) {
      guard pwrite(fd, slot.baseAddress, slot.count, off_t(count * slot.count)) == slot.count
      else { break }
      count += 1
    }
    return count > 0 ? count : nil
  }

  private static func read(
    _ slot: UnsafeMutableRawBufferPointer, from fd: Int32, slotCount: Int
  ) -> DiskSpeed? {
    let start = Clock.now.nanoseconds
    let end = start + readMilliseconds * 1_000_000
    var now = start
    var count = 0
    repeat {
      let offset = off_t(count % slotCount * slot.count)
      guard pread(fd, slot.baseAddress, slot.count, offset) == slot.count else { return nil }
      count += 1
      now = Clock.now.nanoseconds
    } while now < end
    let bytesPerSecond = Double(count * slot.count) * 1e9 / Double(max(1, now - start))
    return DiskSpeed(readBytesPerSecond: Int(clamping: bytesPerSecond))
  }
}
