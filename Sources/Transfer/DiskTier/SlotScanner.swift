import CSlotFormat
import Glibc
import KVLayout

/// Judges the headers of an extent's slots, and reads them, one after the other, into memory of its
/// own.
struct SlotScanner {
  /// What stands at a slot.
  enum Finding: Equatable {
    /// The header was read, and says this.
    case header(Result<SlotDescription, HeaderFault>)
    /// The device did not give the header; the errno.
    case unreadable(Int32)
  }

  /// The extent.
  let file: FileHandle
  /// Bytes of one slot.
  let slotBytes: Int
  /// Slots beyond it are free: the file is not that long.
  let fileBytes: Int64
  private let header: AlignedBuffer

  /// A scanner with memory for one header; for one thread at a time.
  init(file: FileHandle, slotBytes: Int, fileBytes: Int64) {
    self.file = file
    self.slotBytes = slotBytes
    self.fileBytes = fileBytes
    header = AlignedBuffer(count: min(slotBytes, SlotHeader.headerBytesMax))
  }

  /// What the header of the slot at `offset` says.
  ///
  /// - Complexity: one page is read, or as much as the header is long.
  func find(at offset: Int64) -> Finding {
    let page = Int(KVBM_SLOT_ALIGNMENT)
    guard offset + Int64(page) <= fileBytes else { return .header(.failure(.empty)) }
    let code = Transfer.read(file.fd, into: header.address, count: page, at: offset)
    return judge(UnsafeRawBufferPointer(rebasing: header.bytes[..<page]), code, at: offset)
  }

  /// What the header of the slot at `offset` says, of which the first page was read with `code`.
  ///
  /// - Complexity: as much as the header is long is read, where that is more than a page.
  func judge(_ first: UnsafeRawBufferPointer, _ code: Int32, at offset: Int64) -> Finding {
    guard code == 0 else { return .unreadable(code) }
    guard let claimed = SlotHeader.headerBytes(claimedBy: first), claimed > first.count,
      claimed <= header.bytes.count, offset + Int64(claimed) <= fileBytes
    else { return .header(SlotHeader.inspect(first, slotBytes: slotBytes)) }
    let code = Transfer.read(file.fd, into: header.address, count: claimed, at: offset)
    guard code == 0 else { return .unreadable(code) }
    return .header(
      SlotHeader.inspect(
        UnsafeRawBufferPointer(rebasing: header.bytes[..<claimed]), slotBytes: slotBytes))
  }
}
