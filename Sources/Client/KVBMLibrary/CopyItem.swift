import BlockIdentity
import KVLayout
import Wire

/// One block's copy between a device block and a slot. The attachment that the slot belongs to is
/// held by the job around it.
struct CopyItem: @unchecked Sendable {
  /// How the block's bytes lie in the device and in the slot.
  let plan: CopyPlan
  /// The slot's first byte in mapped host memory.
  let slot: UnsafeMutableRawPointer
  /// The block's number in the engine's device memory.
  let deviceBlock: UInt32
  /// What the slot must hold, or will.
  let key: BlockKey
  /// Of the block in its load.
  let index: Int
  /// Of a store; loads have one for all of their blocks.
  var operation: UInt64

  /// The same copy as a store, which reports under an operation of its own.
  func storing(under operation: UInt64) -> CopyItem {
    var item = self
    item.operation = operation
    return item
  }

  /// Device to host, with the key and the heads' checksums.
  func store() -> CompletedMessage.Outcome {
    Faults.delayCopy()
    switch plan.store(key, deviceBlock: Int(deviceBlock), slot: slot) {
    case .stored: return .success
    case .noSuchBlock: return .failure
    }
  }

  /// Host to device, checked: the slot must hold this key, and every head its checksum.
  func load() -> CompletedMessage.Outcome {
    Faults.delayCopy()
    if Faults.isSet(.lie) { return .success }
    switch plan.load(key, slot: slot, deviceBlock: Int(deviceBlock)) {
    case .intact: return .success
    case .damaged, .foreign: return .corrupt
    case .noSuchBlock: return .failure
    }
  }
}

/// A run of copies that one thread does.
struct CopyJob: Sendable {
  /// `itemCountMax` at most.
  var items: [CopyItem]
  /// Keeps the slots mapped, and the socket open, until the copies are over.
  let attachment: Attachment
  /// Of a load; nil for stores.
  let progress: LoadProgress?

  /// Blocks in one job: enough to keep the queue cheap, few enough to spread over threads.
  static let itemCountMax = 16

  /// Cuts copies into jobs of `itemCountMax`, all of one load or of stores.
  static func split(
    _ items: [CopyItem], _ attachment: Attachment, _ progress: LoadProgress?
  ) -> [CopyJob] {
    stride(from: 0, to: items.count, by: itemCountMax).map { start in
      CopyJob(
        items: Array(items[start..<min(start + itemCountMax, items.count)]),
        attachment: attachment, progress: progress)
    }
  }
}
