import Glibc
import HostTier
import Testing

@Suite("Host memory")
struct HostMemoryTests {
  @Test("Capacity becomes equal extents of whole slots, and little is lost")
  func extents() throws {
    for (slot, capacity, extent) in [
      (12288, 1 << 20, 1 << 16), (1 << 21, 1 << 30, 64 << 20), (12288, 40_000, 64 << 20),
      (1 << 20, 65 << 20, 64 << 20), (1 << 20, 10 << 20, 4096), (4096, 4096, 1),
    ] {
      let memory = try HostMemory(
        name: "test", slotBytes: slot, capacityBytes: capacity, extentBytes: extent)
      #expect(memory.slotCount == memory.slotsPerExtent * memory.extentCount)
      #expect(memory.capacityBytes <= capacity)
      #expect(capacity / slot - memory.slotCount < memory.extentCount)
      #expect(memory.extentBytes <= max(extent, slot))
      #expect(memory.slots(ofExtent: memory.extentCount - 1).upperBound == memory.slotCount)
    }
  }

  @Test("A large memory costs nothing before it is populated")
  func sparse() throws {
    let memory = try HostMemory(name: "test", slotBytes: 1 << 21, capacityBytes: 1 << 40)
    #expect(memory.residentBytes == 0)
    try memory.populate(extent: 3)
    #expect(memory.residentBytes >= memory.extentBytes)
    #expect(memory.residentBytes < 2 * memory.extentBytes + (1 << 21))
    try memory.release(extent: 3)
    #expect(memory.residentBytes == 0)
  }

  @Test("Slots are page-aligned, apart, shared through the descriptor, and zero when released")
  func contents() throws {
    let memory = try HostMemory(
      name: "test", slotBytes: 8192, capacityBytes: 1 << 20, extentBytes: 1 << 16)
    for extent in 0..<memory.extentCount { try memory.populate(extent: extent) }
    for slot in 0..<memory.slotCount {
      #expect(UInt(bitPattern: memory.slot(slot)) % 4096 == 0)
      memory.slot(slot).initializeMemory(as: UInt8.self, repeating: UInt8(slot), count: 8192)
    }
    let other = mmap(nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0)!
    defer { munmap(other, 1 << 20) }
    for slot in 0..<memory.slotCount {
      #expect(other.load(fromByteOffset: slot * 8192 + 8191, as: UInt8.self) == UInt8(slot))
    }
    try memory.release(extent: 1)
    for slot in 0..<memory.slotCount {
      let expected = memory.slots(ofExtent: 1).contains(slot) ? 0 : UInt8(slot)
      #expect(memory.slot(slot).load(as: UInt8.self) == expected)
    }
  }

  @Test("Nobody can shrink what others have mapped")
  func sealed() throws {
    let memory = try HostMemory(name: "test", slotBytes: 8192, capacityBytes: 1 << 20)
    #expect(ftruncate(memory.fd, 0) == -1 && errno == EPERM)
    #expect(ftruncate(memory.fd, 1 << 30) == -1 && errno == EPERM)
  }

  @Test("Sizes that cannot be are refused and named")
  func refusals() {
    #expect(throws: HostTierError.badSize(field: "slot_bytes", bytes: 5000)) {
      try HostMemory(name: "test", slotBytes: 5000, capacityBytes: 1 << 20)
    }
    #expect(throws: HostTierError.badSize(field: "capacity_bytes", bytes: 8191)) {
      try HostMemory(name: "test", slotBytes: 8192, capacityBytes: 8191)
    }
    #expect(throws: HostTierError.badSize(field: "capacity_bytes", bytes: .max)) {
      try HostMemory(name: "test", slotBytes: 8192, capacityBytes: .max)
    }
    #expect(throws: HostTierError.badSize(field: "extent_bytes", bytes: 0)) {
      try HostMemory(name: "test", slotBytes: 8192, capacityBytes: 1 << 20, extentBytes: 0)
    }
    #expect(throws: HostTierError.noSuchExtent(index: 9, extentCount: 1)) {
      let memory = try HostMemory(name: "test", slotBytes: 8192, capacityBytes: 8192)
      try memory.populate(extent: 9)
    }
  }

  @Test("Mapping and descriptor go with the last reference")
  func lifetime() throws {
    var memory: HostMemory? = try HostMemory(name: "test", slotBytes: 8192, capacityBytes: 8192)
    var before = stat()
    var after = stat()
    let fd = memory!.fd
    #expect(fstat(fd, &before) == 0)
    memory = nil
    // The number may be another file's by now, but no longer this one.
    #expect(fstat(fd, &after) == -1 || after.st_ino != before.st_ino)
  }
}
