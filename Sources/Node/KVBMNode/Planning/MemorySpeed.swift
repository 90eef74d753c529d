import BlockIdentity
import Glibc
import KVLayout

/// How fast one thread of this machine moves host memory: what a load does, without a device.
public struct MemorySpeed: Sendable {
  /// `memcpy`, in bytes a second.
  public let copyBytesPerSecond: Int
  /// The same with the check that every load makes.
  public let checkedBytesPerSecond: Int

  /// Beyond most caches, and quick to populate.
  private static let sourceBytes = 96 << 20
  private static let targetBytes = 16 << 20
  private static let chunkBytes = 64 << 10

  /// Measures for about twice `milliseconds`, with 112 MiB of memory that is given back.
  public static func measure(milliseconds: Int = 50) -> MemorySpeed {
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: sourceBytes, alignment: 4096)
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: targetBytes, alignment: 4096)
    defer {
      source.deallocate()
      target.deallocate()
    }
    source.initializeMemory(as: UInt8.self, repeating: 0x5A)
    target.initializeMemory(as: UInt8.self, repeating: 0)
    var checksum: UInt64 = 0
    let copy = rate(milliseconds) { offset in
      memcpy(
        target.baseAddress! + offset % targetBytes, source.baseAddress! + offset, chunkBytes)
    }
    let checked = rate(milliseconds) { offset in
      let chunk = UnsafeMutableRawBufferPointer(
        start: target.baseAddress! + offset % targetBytes, count: chunkBytes)
      memcpy(chunk.baseAddress!, source.baseAddress! + offset, chunkBytes)
      checksum ^= SlotHeader.headChecksum(
        UnsafeRawBufferPointer(chunk), key: .none, group: 0, head: 0)
    }
    // Used, so that the check is not optimised away.
    withExtendedLifetime(checksum) {}
    return MemorySpeed(copyBytesPerSecond: copy, checkedBytesPerSecond: checked)
  }

  private static func rate(_ milliseconds: Int, _ move: (Int) -> Void) -> Int {
    let start = Clock.now.nanoseconds
    let end = start + UInt64(max(1, milliseconds)) * 1_000_000
    var bytes = 0
    var now = start
    var offset = 0
    repeat {
      move(offset)
      bytes += chunkBytes
      offset = (offset + chunkBytes) % sourceBytes
      now = Clock.now.nanoseconds
    } while now < end
    return Int(clamping: Double(bytes) * 1e9 / Double(max(1, now - start)))
  }
}
