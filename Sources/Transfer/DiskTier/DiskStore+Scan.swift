import Glibc
import KVLayout
import Protection
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
  /// Slots that must not be written: another version's, protected with a key that is not at hand,
  /// or unreadable.
  public var occupiedSlots: [Int] = []
  /// Of those, how many the device could not read.
  public var unreadableCount = 0
  /// Of those, how many are protected with a key that is not at hand, by the key's id.
  public var lockedCounts: [UInt32: Int] = [:]
  /// Slots without the protection that is asked for; they are free.
  public var unprotectedCount = 0
  /// Slots with a torn or damaged header; they are free.
  public var damagedCount = 0
  /// What it comes from.
  public var source = Source.headers

  /// Where a scan has its knowledge from.
  public enum Source: Hashable, Sendable {
    /// From all headers.
    case headers
    /// From the index that the last run left.
    case snapshot
    /// From all headers, since the index said other things of some than they do.
    case headersAgainstSnapshot
  }

  /// Notes what stands at a slot.
  mutating func add(
    _ slot: Int, _ finding: SlotScanner.Finding, _ protector: Protector?
  ) {
    switch finding {
    case .header(.success(let description)):
      switch Protector.fault(of: description, protector) {
      case nil: blocks.append(ScannedSlot(slot: slot, description: description))
      case .header(.locked(let keyID)):
        occupiedSlots.append(slot)
        lockedCounts[keyID, default: 0] += 1
      default: unprotectedCount += 1
      }
    case .header(.failure(.unsupported)): occupiedSlots.append(slot)
    case .header(.failure(.empty)): break
    case .header(.failure): damagedCount += 1
    case .unreadable:
      occupiedSlots.append(slot)
      unreadableCount += 1
    }
  }
}

extension DiskStore {
  /// Reads all headers of an extent with the store's driver, and judges them on the calling thread.
  /// For the time before the extent is used.
  ///
  /// - Complexity: O(slots), one page read each, up to 64 beside each other; several extents can be
  ///   scanned beside each other.
  public func scan(_ extent: DiskExtent) -> ExtentScan {
    let scanner = SlotScanner(
      file: extent.file, slotBytes: extent.slotBytes, fileBytes: Int64(extent.totalBytes))
    let claims = claims(of: extent)
    if let claims, let result = believe(claims, extent, scanner) { return result }
    var result = ExtentScan()
    if claims != nil { result.source = .headersAgainstSnapshot }
    var slots = [SlotNote](repeating: SlotNote(content: SlotNote.free), count: extent.slotCount)
    func begin(at slot: Int) -> HeaderBatch? {
      let end = min(slot + Self.scannedBatchCount, extent.slotCount)
      return slot < end ? HeaderBatch(extent, slot..<end, driver) : nil
    }
    var next = begin(at: 0)
    while let batch = next {
      // The driver reads the next ones while these are judged.
      next = begin(at: batch.slots.upperBound)
      batch.wait()
      for slot in batch.slots {
        let (page, code) = batch.page(of: slot)
        let finding = scanner.judge(page, code, at: extent.offset(of: slot))
        result.add(slot, finding, options.protector)
        slots[slot] = notes.withLock { $0.note(finding) }
      }
    }
    notes.withLock { [slots] in $0.enter(extent.id, slots) }
    raiseWriteSequence(to: result.blocks.lazy.map(\.description.writeSequence).max() ?? 0)
    return result
  }

  /// Two batches are under way at a time: with what an engine asks for, no more than the queue
  /// takes.
  private static let scannedBatchCount = 32

  func raiseWriteSequence(to sequence: UInt64) {
    var current = writeSequence.load(ordering: .relaxed)
    while current < sequence {
      let (exchanged, original) = writeSequence.compareExchange(
        expected: current, desired: sequence, ordering: .relaxed)
      if exchanged { return }
      current = original
    }
  }
}
