/// A bounded queue of jobs between any threads: adding never waits, taking does.
final class JobQueue: @unchecked Sendable {
  private let condition = Condition()
  /// Guarded by `condition`, as is what follows.
  private var jobs: Fifo<DiskJob>
  private var isClosed = false

  /// An empty queue for `limit` jobs, 1 at least.
  init(limit: Int) { jobs = Fifo(limit: limit) }

  /// False when the queue is full or closed.
  func add(_ job: DiskJob) -> Bool {
    condition.withLock {
      guard !isClosed, !jobs.isFull else { return false }
      jobs.append(job)
      condition.signal()
      return true
    }
  }

  /// The oldest job; waits for one. Nil when the queue is closed and empty.
  func next() -> DiskJob? {
    condition.withLock {
      while jobs.count == 0 && !isClosed { condition.wait() }
      return jobs.next()
    }
  }

  /// Refuses jobs from now on; those that wait are still handed out.
  func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
    }
  }
}
