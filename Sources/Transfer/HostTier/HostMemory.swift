import CLinux
import Glibc
import KVLayout

/// The host memory of one slot class and trust domain: a sparse memfd, mapped once, in slots.
///
/// 1. Made with its whole address range, which costs no memory and no time.
/// 2. Extents are populated one by one, then their slots are used; engines map `fd` as well.
/// 3. A released extent reads as zeros and costs nothing, until it is populated again.
/// 4. At the last reference the mapping and the descriptor go. Pages that others still map stay.
///
/// The memory is sealed against changes of size, so no other process can make a mapping fault.
/// Safe from any thread: which slot is whose to read and write is the engine's concern.
public final class HostMemory: Sendable {
  /// The memfd: for passing to processes of the same trust domain. Closed with this object.
  public let fd: Int32
  /// Bytes of one slot.
  public let slotBytes: Int
  /// Slots of one extent; all extents are equal.
  public let slotsPerExtent: Int
  /// Extents of the whole memory.
  public let extentCount: Int
  private let base: MappedRange

  /// Slots of the whole memory.
  public var slotCount: Int { slotsPerExtent * extentCount }
  /// Bytes of one extent.
  public var extentBytes: Int { slotsPerExtent * slotBytes }
  /// Bytes of the whole memory, at most the capacity that was asked for.
  public var capacityBytes: Int { slotCount * slotBytes }

  /// Reserves address space for as many slots as the capacity holds.
  ///
  /// Extents are about `extentBytes` long, whole slots, all equal; less than one slot of each is
  /// lost to that.
  ///
  /// - Parameters:
  ///   - name: shown in `/proc/PID/maps`; cut to 200 bytes.
  ///   - slotBytes: a multiple of 4096.
  /// - Throws: `badSize` or `system`; nothing is left behind.
  public init(
    name: String, slotBytes: Int, capacityBytes: Int, extentBytes: Int = 64 << 20
  ) throws(HostTierError) {
    guard slotBytes > 0, slotBytes % 4096 == 0 else {
      throw .badSize(field: "slot_bytes", bytes: slotBytes)
    }
    guard extentBytes > 0 else { throw .badSize(field: "extent_bytes", bytes: extentBytes) }
    let slots = max(0, capacityBytes) / slotBytes
    guard slots > 0, capacityBytes <= 1 << 46 else {
      throw .badSize(field: "capacity_bytes", bytes: capacityBytes)
    }
    let wanted = max(1, extentBytes / slotBytes)
    let extentCount = (slots + wanted - 1) / wanted
    let slotsPerExtent = slots / extentCount
    let totalBytes = slotsPerExtent * extentCount * slotBytes
    let fd = clinux_memfd(String(name.prefix(200)), totalBytes)
    guard fd >= 0 else { throw .system(call: "memfd_create", errno: errno) }
    guard
      let base = mmap(
        nil, totalBytes, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_NORESERVE), fd, 0),
      base != MAP_FAILED
    else {
      let code = errno
      close(fd)
      throw .system(call: "mmap", errno: code)
    }
    // Direct I/O into pages that a fork shares can end in the wrong process.
    if clinux_dontfork(base, totalBytes) != 0 {
      let code = errno
      munmap(base, totalBytes)
      close(fd)
      throw .system(call: "madvise", errno: code)
    }
    self.fd = fd
    self.slotBytes = slotBytes
    self.slotsPerExtent = slotsPerExtent
    self.extentCount = extentCount
    self.base = MappedRange(base: base)
  }

  deinit {
    munmap(base.base, capacityBytes)
    close(fd)
  }

  /// The beginning of a slot, page-aligned. The memory lives as long as this object.
  ///
  /// - Precondition: `index` is in `0..<slotCount`.
  public func slot(_ index: Int) -> UnsafeMutableRawPointer {
    precondition(index >= 0 && index < slotCount, "slot \(index) of \(slotCount)")
    return base.base + index * slotBytes
  }

  /// The slots of an extent.
  public func slots(ofExtent extent: Int) -> Range<Int> {
    extent * slotsPerExtent..<(extent + 1) * slotsPerExtent
  }

  /// Makes an extent's pages exist, zeroed where they did not; may take some 20 ms.
  ///
  /// Ask `MemoryHeadroom` first: beyond a cgroup's limit the kernel may kill instead of refusing.
  ///
  /// - Throws: `outOfMemory` (pages that could be had are given back), `noSuchExtent`, `system`.
  public func populate(extent: Int) throws(HostTierError) {
    let offset = try offset(ofExtent: extent)
    while clinux_fallocate(fd, 1, offset, Int64(extentBytes)) != 0 {
      switch errno {
      case EINTR: continue
      case ENOSPC, ENOMEM: throw .outOfMemory(bytes: extentBytes)
      default: throw .system(call: "fallocate", errno: errno)
      }
    }
  }

  /// Gives an extent's pages back; it reads as zeros then, in all processes that map it.
  ///
  /// The caller has proven that nothing reads or writes its slots any more.
  ///
  /// - Throws: `noSuchExtent`, `system`.
  public func release(extent: Int) throws(HostTierError) {
    let offset = try offset(ofExtent: extent)
    guard clinux_punch_hole(fd, offset, Int64(extentBytes)) == 0 else {
      throw .system(call: "fallocate(PUNCH_HOLE)", errno: errno)
    }
  }

  /// Bytes of pages that exist, over all extents.
  public var residentBytes: Int {
    var status = stat()
    return fstat(fd, &status) == 0 ? Int(status.st_blocks) * 512 : 0
  }

  private func offset(ofExtent extent: Int) throws(HostTierError) -> Int64 {
    guard extent >= 0, extent < extentCount else {
      throw .noSuchExtent(index: extent, extentCount: extentCount)
    }
    return Int64(extent * extentBytes)
  }
}

/// The mapping's address; what lies there is shared on purpose.
private struct MappedRange: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
}
