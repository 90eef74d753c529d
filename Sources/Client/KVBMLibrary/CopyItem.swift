import BlockIdentity
import KVLayout
import Wire

/// One block's copy between a device block and a slot. The attachment that the slot belongs to is
/// held by the job around it.
struct CopyItem: @unchecked Sendable {
  let plan: CopyPlan
  let slot: UnsafeMutableRawPointer
  let deviceBlock: UInt32
  let key: BlockKey
  /// Of the block in its load.
  let index: Int
  /// Of a store; loads have one for all of their blocks.
  var operation: UInt64

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
  var items: [CopyItem]
  let attachment: Attachment
  /// Of a load; nil for stores.
  let progress: LoadProgress?

  /// Blocks in one job: enough to keep the queue cheap, few enough to spread over threads.
  static let itemCountMax = 16

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
