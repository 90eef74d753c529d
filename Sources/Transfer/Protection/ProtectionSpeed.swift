import BlockIdentity
import Glibc
import KVLayout

/// How fast this machine encrypts.
public enum ProtectionSpeed {
  /// Bytes a nanosecond, of slots of 1 MiB on the calling thread, for some 20 ms; nil when it does
  /// not work.
  public static func measure(_ keys: KeyRing) -> Double? {
    guard
      let shape = try? BlockShape(
        headCount: 8, layerCount: 16, blockTokens: 16, tokenBytes: 512, elementBytes: 2)
    else { return nil }
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: 2 * shape.slotBytes, alignment: 4096)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 1)
    guard let block = memory.baseAddress else { return nil }
    let protector = Protector(keys: keys, form: .encrypted)
    let namespace = Namespace(description: UnsafeRawBufferPointer(rebasing: memory[..<8]))
    let description = SlotDescription(
      namespace: namespace, key: BlockKey(high: 1, low: 1), shape: shape)
    let start = nanoseconds
    var bytes = 0
    while bytes == 0 || nanoseconds - start < 20_000_000 {
      guard protector.protect(block, into: block + shape.slotBytes, description) else {
        return nil
      }
      bytes += shape.slotBytes
    }
    return Double(bytes) / Double(nanoseconds - start)
  }

  private static var nanoseconds: UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
  }
}
