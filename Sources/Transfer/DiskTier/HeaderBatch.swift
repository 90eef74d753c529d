import CSlotFormat
import Glibc
import KVLayout

/// The first pages of some slots of an extent, read beside each other by the store's driver.
///
/// 1. `init` begins all reads. 2. `wait` returns when none is under way. 3. Then pages and codes
/// are the caller's. The driver's jobs keep the batch alive, and it the memory they write into.
final class HeaderBatch: @unchecked Sendable {
  /// The slots, in order.
  let slots: Range<Int>
  private let pages: AlignedBuffer
  private let condition = Condition()
  /// The errno of each read, or 0; guarded by `condition`, as is the next.
  private var codes: [Int32]
  private var pendingCount = 0

  private static let pageBytes = Int(KVBM_SLOT_ALIGNMENT)

  /// Begins to read; what the driver refuses is read at once.
  init(_ extent: DiskExtent, _ slots: Range<Int>, _ driver: any DiskDriver) {
    self.slots = slots
    pages = AlignedBuffer(count: slots.count * Self.pageBytes)
    codes = Array(repeating: 0, count: slots.count)
    for index in 0..<slots.count {
      condition.withLock { pendingCount += 1 }
      let job = DiskJob(
        direction: .read, fd: extent.file.fd, offset: extent.offset(of: slots.lowerBound + index),
        address: SlotAddress(pages.address + index * Self.pageBytes), byteCount: Self.pageBytes
      ) { [self] code in ended(index, code) }
      if !driver.submit(job) { ThreadPoolDriver.carryOut(job) }
    }
  }

  private func ended(_ index: Int, _ code: Int32) {
    condition.withLock {
      codes[index] = code
      pendingCount -= 1
      if pendingCount == 0 { condition.signal() }
    }
  }

  /// Waits for all reads.
  func wait() {
    condition.withLock { while pendingCount > 0 { condition.wait() } }
  }

  /// A slot's page and the errno of reading it. After `wait`, while this object lives.
  func page(of slot: Int) -> (page: UnsafeRawBufferPointer, code: Int32) {
    let index = slot - slots.lowerBound
    let start = index * Self.pageBytes
    return (
      UnsafeRawBufferPointer(rebasing: pages.bytes[start..<start + Self.pageBytes]),
      condition.withLock { codes[index] }
    )
  }
}
