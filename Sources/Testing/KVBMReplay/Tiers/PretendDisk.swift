import BlockEngine

/// A disk without bytes: one way of it, reads or writes, in order and one block after another.
struct PretendDisk {
  struct Job {
    let operation: OperationID
    /// The block's place in its sequence, and the request that it was wanted for.
    let position: Int
    let request: Int
    let endsAt: UInt64
  }

  private var jobs: [Job] = []
  private var first = 0
  private let blockNanoseconds: UInt64

  init(blockNanoseconds: UInt64) { self.blockNanoseconds = blockNanoseconds }

  var isIdle: Bool { first == jobs.count }
  /// When the next one ends, and the last one; nil when idle.
  var nextEnd: UInt64? { isIdle ? nil : jobs[first].endsAt }
  var lastEnd: UInt64? { isIdle ? nil : jobs.last?.endsAt }

  mutating func begin(_ operation: OperationID, position: Int, for request: Int, now: UInt64) {
    if isIdle {
      jobs.removeAll(keepingCapacity: true)
      first = 0
    }
    let start = max(now, jobs.last?.endsAt ?? 0)
    jobs.append(
      Job(
        operation: operation, position: position, request: request,
        endsAt: start + blockNanoseconds))
  }

  /// The next one that has ended by then.
  mutating func takeEnded(by time: UInt64) -> Job? {
    guard !isIdle, jobs[first].endsAt <= time else { return nil }
    first += 1
    return jobs[first - 1]
  }
}
