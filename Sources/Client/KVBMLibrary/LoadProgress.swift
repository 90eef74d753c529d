/// How far a load has come. Guarded by the copy engine's monitor.
final class LoadProgress: @unchecked Sendable {
  let request: UInt64
  let operation: UInt64
  let blockCount: UInt32
  var remainingJobs: Int
  /// The first block that is not in device memory.
  var firstFailed: Int
  var isCorrupt = false

  init(_ load: Plan.Load, jobCount: Int) {
    request = load.request
    operation = load.operation
    blockCount = load.blockCount
    remainingJobs = jobCount
    firstFailed = Int(load.blockCount)
  }
}
