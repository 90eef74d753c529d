import BlockIdentity
import CSlotFormat
import CXXH3

/// A slot's header in place: the fields that are read and written while a block is in host memory.
///
/// A worker that stores a block writes its key and its heads' checksums; a worker that loads it
/// checks them. The rest is filled in by `seal` before the slot is written to disk.
public enum SlotHeader {
  /// A header is never longer than this, in any version of the format.
  public static let headerBytesMax = 65_536
  /// Bytes of the part before the checksums.
  static let fixedBytes = MemoryLayout<kvbm_slot_header>.size

  private static let keyOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.key)!
  private static let groupOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.group)!

  /// Writes whose block the slot holds, without group and checksums.
  public static func writeKey(
    _ key: BlockKey, group: Int = 0, to slot: UnsafeMutableRawPointer
  ) {
    key.store(to: slot + keyOffset)
    slot.storeBytes(
      of: UInt16(truncatingIfNeeded: group).littleEndian, toByteOffset: groupOffset,
      as: UInt16.self)
  }

  /// The key that the slot says it holds.
  public static func key(of slot: UnsafeRawPointer) -> BlockKey {
    BlockKey(bytes: slot + keyOffset)
  }

  /// The group that the slot says it belongs to.
  public static func group(of slot: UnsafeRawPointer) -> Int {
    Int(
      UInt16(littleEndian: slot.loadUnaligned(fromByteOffset: groupOffset, as: UInt16.self)))
  }

  /// The checksum of a head as the table has it.
  static func checksum(ofHead head: Int, in slot: UnsafeRawPointer) -> UInt64 {
    UInt64(
      littleEndian: slot.loadUnaligned(fromByteOffset: checksumOffset(head), as: UInt64.self))
  }

  /// Enters the checksum of a head into the table.
  static func writeChecksum(_ checksum: UInt64, head: Int, to slot: UnsafeMutableRawPointer) {
    slot.storeBytes(
      of: checksum.littleEndian, toByteOffset: checksumOffset(head), as: UInt64.self)
  }

  private static func checksumOffset(_ head: Int) -> Int {
    Int(KVBM_SLOT_CHECKSUMS_OFFSET) &+ 8 &* head
  }

  /// The seed of a head's checksum.
  ///
  /// It binds bytes to their block, group and head: the same bytes elsewhere do not pass.
  static func headSeed(_ key: BlockKey, group: Int, head: Int) -> UInt64 {
    key.inGroup(group).low &+ UInt64(truncatingIfNeeded: head)
  }

  /// XXH3-64 of a head's bytes, as the table has it.
  public static func headChecksum(
    _ bytes: UnsafeRawBufferPointer, key: BlockKey, group: Int, head: Int
  ) -> UInt64 {
    cxxh3_64(bytes.baseAddress, bytes.count, headSeed(key, group: group, head: head))
  }

  /// XXH3-64 of the table of checksums, seeded with the key's last eight bytes.
  static func rootChecksum(of slot: UnsafeRawPointer, key: BlockKey, headCount: Int) -> UInt64 {
    cxxh3_64(slot + checksumOffset(0), 8 &* headCount, key.low)
  }
}
