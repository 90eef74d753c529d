/// Something that the engine wants done or known; whoever drains the buffer carries it out.
///
/// An operation's effects name blocks that stay held until every one of its parts was reported
/// through `completed`: once, in any order, however late.
public enum Effect: Hashable, Sendable {
  /// Copy a block of the request's sequence from the device: every rank its part.
  case offload(OperationID, RequestID, position: Int, group: Int, to: BlockRef)
  /// Copy a ready block to the device: every rank its part. One operation and one report a rank for
  /// all blocks of a load; its effects follow each other.
  case onboard(OperationID, RequestID, position: Int, group: Int, from: BlockRef)
  /// Read a block from disk into the host tier and verify it: one part.
  case read(OperationID, BlockRecord, from: BlockRef, to: BlockRef)
  /// Write a host block to disk, with its record and checksums: one part.
  case write(OperationID, BlockRecord, from: BlockRef, to: BlockRef)
  /// Put a host block into the object store, with its record and checksums: one part. An object of
  /// that name that is there already is as good.
  case put(OperationID, BlockRecord, from: BlockRef)
  /// Get a block from the object store into the host tier and verify it: one part.
  case get(OperationID, BlockRecord, to: BlockRef)
  /// Say of each block whether the object store has it: a part for each, in this order; `success`
  /// or `missing`.
  case look(OperationID, [BlockRecord])
  /// The load that `commit` began is over, and the device's blocks are quiet. Exactly once for
  /// each; `loadedCount` positions were loaded: all, or 0 when a part did not succeed.
  case loadEnded(OperationID, RequestID, loadedCount: Int)
  /// The block is found in the tier from now on.
  case stored(Tier, BlockRecord)
  /// It is not any more.
  case removed(Tier, BlockRecord, RemovalReason)
  /// A request brought the block by, and it was not let into the tier.
  case refused(Tier, BlockRecord, RefusalReason)
}

/// Why a block is not found in a tier any more.
public enum RemovalReason: UInt8, Hashable, Sendable, CaseIterable {
  /// Its tier's policy chose it, to make room.
  case evicted
  /// Whoever paid for it had its share, and brought another one.
  case overShare
  /// Its bytes were not what their checksums said.
  case corrupt
  /// The device could not read it, again and again.
  case unreadable
  /// A scan found a later copy.
  case replaced
  /// The memory of its extent was taken away.
  case retired
  /// Somebody asked for it.
  case requested
  /// It was some requests' own, and their lease has ended.
  case expired
}
