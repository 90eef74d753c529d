import BlockEngine
import DiskTier
import HostTier

/// All slots of one size: where in host memory and on disk the engine's slot numbers lie.
struct SlotClass {
  /// An extent on disk, and where its slots are in the engine's numbers.
  struct DiskRange {
    /// The number of its first slot.
    let firstSlot: Int
    /// The extent.
    let extent: DiskExtent
    /// Bytes written and read of late.
    var usedBytes: Int
  }

  /// The engine's number for the class.
  let id: ClassID
  /// Bytes of one slot, header included, in both tiers.
  let slotBytes: Int
  /// The class's host memory: sparse, as long as the whole tier.
  let memory: HostMemory
  /// Which extents of `memory` have their pages.
  private(set) var isPopulated: [Bool]
  /// How many have.
  private(set) var populatedCount = 0
  /// Extents on disk, by the number of their first slot.
  private(set) var diskExtents: [DiskRange] = []
  /// Bytes stored, staged and loaded of late, by tier; only ever added to, but for `fade`.
  private(set) var hostUsedBytes = 0
  private(set) var diskUsedBytes = 0
  /// The same, by host extent.
  private var hostExtentUse: [Int]
  private let diskSlotLimit: Int

  /// A class without pages and without extents on disk.
  init(id: ClassID, memory: HostMemory, diskSlotLimit: Int) {
    self.id = id
    self.memory = memory
    self.diskSlotLimit = diskSlotLimit
    slotBytes = memory.slotBytes
    isPopulated = Array(repeating: false, count: memory.extentCount)
    hostExtentUse = Array(repeating: 0, count: memory.extentCount)
  }

  // MARK: Host

  /// Bytes of memory that the class has.
  var populatedBytes: Int { populatedCount * memory.extentBytes }

  /// The first extent without pages.
  var nextUnpopulated: Int? { isPopulated.firstIndex(of: false) }

  /// Extents with pages, the least used of late first; of equals the last one.
  var populatedByUse: [Int] {
    isPopulated.indices.reversed().filter { isPopulated[$0] }
      .sorted { (hostExtentUse[$0], -$0) < (hostExtentUse[$1], -$1) }
  }

  /// Bytes in host extents that are as good as unused.
  var hostColdBytes: Int {
    let limit = memory.extentBytes / Self.coldPart
    return isPopulated.indices.count { isPopulated[$0] && hostExtentUse[$0] < limit }
      * memory.extentBytes
  }

  /// Notes that a host extent has pages, or has lost them.
  mutating func setPopulated(_ extent: Int, _ value: Bool) {
    if isPopulated[extent] != value { populatedCount += value ? 1 : -1 }
    isPopulated[extent] = value
    // A new one counts as used once, or it would be the first to be given away again.
    hostExtentUse[extent] = value ? memory.extentBytes : 0
  }

  /// The engine's slot numbers of a host extent.
  func hostSlots(ofExtent extent: Int) -> Range<UInt32> {
    let slots = memory.slots(ofExtent: extent)
    return UInt32(slots.lowerBound)..<UInt32(slots.upperBound)
  }

  /// Free slots to keep ahead of need: an eighth of the tier, 1 GiB at most; of a small one half,
  /// 256 MiB at most; two extents at least.
  ///
  /// Pages come at some GB/s, about as fast as engines store, but one step may offer the blocks of
  /// a long prompt: a small tier must not evict some of them while it can still grow.
  var slotsAhead: Int {
    let small = min(memory.slotCount / 2, (256 << 20) / slotBytes)
    let large = min(memory.slotCount / 8, (1 << 30) / slotBytes)
    return max(2 * memory.slotsPerExtent, small, large)
  }

  /// Memory that the populated extents may cost beside their pages, by and by: page tables in two
  /// processes, and the engine's tables.
  var overheadBytes: Int { populatedBytes / 256 + populatedCount * memory.slotsPerExtent * 128 }

  // MARK: Disk

  /// Bytes of the class's extents.
  var diskBytes: Int { diskExtents.reduce(0) { $0 + $1.extent.totalBytes } }

  /// Extents by index, the least used of late first, by the part of each that was used.
  var diskExtentsByUse: [Int] {
    func part(_ index: Int) -> Double {
      Double(diskExtents[index].usedBytes) / Double(diskExtents[index].extent.totalBytes)
    }
    return diskExtents.indices.sorted { (part($0), -$0) < (part($1), -$1) }
  }

  /// Bytes in extents on disk that are as good as unused.
  var diskColdBytes: Int {
    diskExtents.reduce(0) { sum, range in
      let total = range.extent.totalBytes
      return range.usedBytes < total / Self.coldPart ? sum + total : sum
    }
  }

  /// Gives an extent the first free range of slot numbers that is long enough; nil when none is.
  mutating func enter(_ extent: DiskExtent) -> Range<UInt32>? {
    var first = 0
    var place = 0
    for (index, entry) in diskExtents.enumerated() {
      if entry.firstSlot - first >= extent.slotCount { break }
      first = entry.firstSlot + entry.extent.slotCount
      place = index + 1
    }
    guard first + extent.slotCount <= diskSlotLimit else { return nil }
    diskExtents.insert(
      DiskRange(firstSlot: first, extent: extent, usedBytes: extent.totalBytes), at: place)
    return UInt32(first)..<UInt32(first + extent.slotCount)
  }

  /// The engine's slot numbers of an extent, at an index of `diskExtents`.
  func diskSlots(at index: Int) -> Range<UInt32> {
    let range = diskExtents[index]
    return UInt32(range.firstSlot)..<UInt32(range.firstSlot + range.extent.slotCount)
  }

  /// Forgets an extent whose slots the engine has retired; its numbers are free for another.
  mutating func removeDiskExtent(at index: Int) { diskExtents.remove(at: index) }

  /// Where a slot number lies on disk; nil for one that no extent has.
  func diskPlace(of slot: UInt32) -> (extent: DiskExtent, slot: Int)? {
    guard let index = diskIndex(of: slot) else { return nil }
    let range = diskExtents[index]
    return (range.extent, Int(slot) - range.firstSlot)
  }

  private func diskIndex(of slot: UInt32) -> Int? {
    var low = 0
    var high = diskExtents.count
    while low < high {
      let middle = (low + high) / 2
      if diskExtents[middle].firstSlot <= Int(slot) { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let range = diskExtents[low - 1]
    return Int(slot) - range.firstSlot < range.extent.slotCount ? low - 1 : nil
  }

  // MARK: Use

  /// An extent of which less than one part in so many was used of late is cold.
  private static let coldPart = 16

  /// A block is stored in, staged into or loaded from the host slot.
  mutating func noteHostUse(_ slot: Int) {
    hostUsedBytes += slotBytes
    hostExtentUse[slot / memory.slotsPerExtent] += slotBytes
  }

  /// A block is written to or read from the slot on disk.
  mutating func noteDiskUse(_ slot: UInt32) {
    diskUsedBytes += slotBytes
    if let index = diskIndex(of: slot) { diskExtents[index].usedBytes += slotBytes }
  }

  /// Blocks that a scan found count as used once.
  mutating func noteAdopted(_ count: Int) { diskUsedBytes += count * slotBytes }

  /// Halves all uses in host memory: they are of longer ago.
  mutating func fadeHost() {
    hostUsedBytes /= 2
    for extent in hostExtentUse.indices { hostExtentUse[extent] /= 2 }
  }

  /// Halves all uses on disk.
  mutating func fadeDisk() {
    diskUsedBytes /= 2
    for index in diskExtents.indices { diskExtents[index].usedBytes /= 2 }
  }
}
