import KVLayout

/// How a read or write of a slot ended.
public enum DiskOutcome: Hashable, Sendable {
  /// Read: the block that was wanted is in memory, proven whole. Write: the file system has it.
  case success
  /// Read: not the block that was wanted; the slot on disk is free now, unless another version
  /// wrote it. Write: memory does not hold the block that was to be written; nothing was written.
  case corrupt(SlotFault)
  /// The system refused or failed; what the slot holds is unknown, and checked at the next read.
  case failure(errno: Int32)
}
