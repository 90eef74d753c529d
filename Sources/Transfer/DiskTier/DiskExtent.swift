/// A file of equal slots. A value to pass around; its descriptor closes with the last copy.
public struct DiskExtent: Sendable {
  /// Unique in its store, and never used twice in a row of runs; higher is newer.
  public let id: UInt32
  /// Bytes of one slot.
  public let slotBytes: Int
  /// Slots are numbered from 0 to below this.
  public let slotCount: Int
  /// The open file, shared by all copies.
  let file: FileHandle

  /// The file's path.
  public var path: String { file.path }
  /// What the file is called.
  var name: ExtentName { ExtentName(id: id, slotBytes: slotBytes, slotCount: slotCount) }
  /// Bytes of the whole file.
  public var totalBytes: Int { slotBytes * slotCount }

  /// The extent that a file of this name is; the file has its full length.
  init(_ name: ExtentName, file: FileHandle) {
    id = name.id
    slotBytes = name.slotBytes
    slotCount = name.slotCount
    self.file = file
  }

  /// Where a slot begins in the file.
  public func offset(of slot: Int) -> Int64 {
    precondition(slot >= 0 && slot < slotCount, "slot \(slot) of \(slotCount)")
    return Int64(slot * slotBytes)
  }
}
