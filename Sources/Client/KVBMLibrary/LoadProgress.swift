/// How far a load has come. Guarded by the copy engine's monitor.
final class LoadProgress: @unchecked Sendable {
  /// Of the load, as its plan has them.
  let request: UInt64
  let operation: UInt64
  let blockCount: UInt32
  /// Whether what is intact before the first failure is of use.
  let isPartial: Bool
  /// Jobs that have not ended; whoever ends the last one reports the load.
  var remainingJobs: Int
  /// The first block that is not in device memory.
  var firstFailed: Int
  /// Whether a block failed for its bytes, which the node must drop.
  var isCorrupt = false

  /// A load of which nothing is copied yet, and nothing has failed.
  init(_ load: Plan.Load, jobCount: Int, isPartial: Bool) {
    self.isPartial = isPartial
    request = load.request
    operation = load.operation
    blockCount = load.blockCount
    remainingJobs = jobCount
    firstFailed = Int(load.blockCount)
  }

  /// Blocks from the first on that the engine may count on.
  var loadedCount: Int { isPartial || firstFailed == Int(blockCount) ? firstFailed : 0 }
}
