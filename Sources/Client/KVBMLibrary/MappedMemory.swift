import CLinux
import Glibc

/// A range of a descriptor's bytes, mapped for as long as this lives, and not in forked children.
final class MappedMemory: @unchecked Sendable {
  /// Where the bytes lie in this process, and how many there are.
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Maps and keeps no descriptor.
  ///
  /// - Throws: `KVBM_ARGUMENT` for no bytes, `KVBM_SYSTEM` when the kernel refuses.
  init(fd: Int32, byteCount: Int) throws(CallFailure) {
    guard byteCount > 0 else { throw .argument("an empty memory") }
    let address = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_NORESERVE), fd, 0)
    guard let address, address != MAP_FAILED else { throw .system("mmap", errno) }
    _ = clinux_dontfork(address, byteCount)
    base = address
    self.byteCount = byteCount
  }

  deinit { munmap(base, byteCount) }
}

/// Slots of one size in a node's host memory.
struct SlotMemory: Sendable {
  /// The mapping of the whole memory, kept as long as a slot may be touched.
  let memory: MappedMemory
  /// From one slot's beginning to the next one's; with `slotCount` never more than is mapped.
  let slotBytes: Int
  let slotCount: Int

  /// A slot's address; nil for a number that cannot be.
  func address(of slot: UInt32) -> UnsafeMutableRawPointer? {
    Int(slot) < slotCount ? memory.base + Int(slot) * slotBytes : nil
  }
}
