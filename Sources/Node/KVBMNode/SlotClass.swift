import BlockEngine
import DiskTier
import HostTier

/// All slots of one size: where in host memory and on disk the engine's slot numbers lie.
struct SlotClass {
  /// The engine's number for the class.
  let id: ClassID
  /// Bytes of one slot, header included, in both tiers.
  let slotBytes: Int
  /// The class's host memory: sparse, as long as the whole tier.
  let memory: HostMemory
  /// Which extents of `memory` have their pages.
  private(set) var isPopulated: [Bool]
  /// Extents on disk with the slot number of their first slot, by that number.
  private(set) var diskExtents: [(firstSlot: Int, extent: DiskExtent)] = []
  private let diskSlotLimit: Int

  /// A class without pages and without extents on disk.
  init(id: ClassID, memory: HostMemory, diskSlotLimit: Int) {
    self.id = id
    self.memory = memory
    self.diskSlotLimit = diskSlotLimit
    slotBytes = memory.slotBytes
    isPopulated = Array(repeating: false, count: memory.extentCount)
  }

  // MARK: Host

  /// Bytes of memory that the class has.
  var populatedBytes: Int { isPopulated.count { $0 } * memory.extentBytes }

  /// The first extent without pages.
  var nextUnpopulated: Int? { isPopulated.firstIndex(of: false) }

  /// The last extent with pages: the first to be given up.
  var lastPopulated: Int? { isPopulated.lastIndex(of: true) }

  /// Notes that a host extent has pages, or has lost them.
  mutating func setPopulated(_ extent: Int, _ value: Bool) { isPopulated[extent] = value }

  /// The engine's slot numbers of a host extent.
  func hostSlots(ofExtent extent: Int) -> Range<UInt32> {
    let slots = memory.slots(ofExtent: extent)
    return UInt32(slots.lowerBound)..<UInt32(slots.upperBound)
  }

  /// Free slots to keep ahead of need: an eighth of the tier, 1 GiB at most, two extents at least.
  ///
  /// Pages come at some GB/s, about as fast as engines store.
  var slotsAhead: Int {
    max(2 * memory.slotsPerExtent, min(memory.slotCount / 8, (1 << 30) / slotBytes))
  }

  // MARK: Disk

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
    diskExtents.insert((first, extent), at: place)
    return UInt32(first)..<UInt32(first + extent.slotCount)
  }

  /// The engine's slot numbers of an extent, at an index of `diskExtents`.
  func diskSlots(at index: Int) -> Range<UInt32> {
    let (first, extent) = diskExtents[index]
    return UInt32(first)..<UInt32(first + extent.slotCount)
  }

  /// Forgets an extent whose slots the engine has retired; its numbers are free for another.
  mutating func removeDiskExtent(at index: Int) { diskExtents.remove(at: index) }

  /// Where a slot number lies on disk; nil for one that no extent has.
  func diskPlace(of slot: UInt32) -> (extent: DiskExtent, slot: Int)? {
    var low = 0
    var high = diskExtents.count
    while low < high {
      let middle = (low + high) / 2
      if diskExtents[middle].firstSlot <= Int(slot) { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let (first, extent) = diskExtents[low - 1]
    let offset = Int(slot) - first
    return offset < extent.slotCount ? (extent, offset) : nil
  }
}
