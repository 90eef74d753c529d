import Glibc
import KVLayout
import Synchronization

/// A slot that holds a block, as its header says. The payload is unread, so unproven.
public struct ScannedSlot: Hashable, Sendable {
  /// Of the extent.
  public var slot: Int
  /// What the header says.
  public var description: SlotDescription
}

/// What the headers of an extent's slots say. Slots in no list are free.
public struct ExtentScan: Hashable, Sendable {
  /// Slots with sound headers of this version, in order.
  public var blocks: [ScannedSlot] = []
  /// Slots that must not be written: another version's, or unreadable.
  public var occupiedSlots: [Int] = []
  /// Of those, how many the device could not read.
  public var unreadableCount = 0
  /// Slots with a torn or damaged header; they are free.
  public var damagedCount = 0
}

extension DiskStore {
  /// Reads all headers of an extent, on the calling thread. For the time before it is used.
  ///
  /// - Complexity: O(slots), one page read each; several extents can be scanned beside each other.
  public func scan(_ extent: DiskExtent) -> ExtentScan {
    var result = ExtentScan()
    let scanner = SlotScanner(
      file: extent.file, slotBytes: extent.slotBytes, fileBytes: Int64(extent.totalBytes))
    var highest: UInt64 = 0
    for slot in 0..<extent.slotCount {
      switch scanner.find(at: extent.offset(of: slot)) {
      case .header(.success(let description)):
        result.blocks.append(ScannedSlot(slot: slot, description: description))
        highest = max(highest, description.writeSequence)
      case .header(.failure(.unsupported)): result.occupiedSlots.append(slot)
      case .header(.failure(.empty)): break
      case .header(.failure): result.damagedCount += 1
      case .unreadable:
        result.occupiedSlots.append(slot)
        result.unreadableCount += 1
      }
    }
    raiseWriteSequence(to: highest)
    return result
  }

  private func raiseWriteSequence(to sequence: UInt64) {
    var current = writeSequence.load(ordering: .relaxed)
    while current < sequence {
      let (exchanged, original) = writeSequence.compareExchange(
        expected: current, desired: sequence, ordering: .relaxed)
      if exchanged { return }
      current = original
    }
  }
}
