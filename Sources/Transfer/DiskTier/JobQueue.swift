/// A bounded queue of jobs between any threads: adding never waits, taking does.
///
/// Reads go before writes that wait longer, for requests wait for them; after some reads in a row
/// one write goes before the next, so that none waits for ever. While reads are carried out, one
/// thread of several is kept from writes.
final class JobQueue: @unchecked Sendable {
  private let condition = Condition()
  private let limit: Int
  private let threadCount: Int
  /// Guarded by `condition`, as is what follows.
  private var reads: Fifo<DiskJob>
  private var writes: Fifo<DiskJob>
  private var readingCount = 0
  private var writingCount = 0
  private var readsInRow = 0
  private var isClosed = false

  private static let readsInRowMax = 8

  /// An empty queue for `limit` jobs, 1 at least, that so many threads take from.
  init(limit: Int, threadCount: Int) {
    self.limit = limit
    self.threadCount = threadCount
    reads = Fifo(limit: limit)
    writes = Fifo(limit: limit)
  }

  /// False when the queue is full or closed.
  func add(_ job: DiskJob) -> Bool {
    condition.withLock {
      guard !isClosed, reads.count + writes.count < limit else { return false }
      if case .read = job.direction { reads.append(job) } else { writes.append(job) }
      condition.signal()
      return true
    }
  }

  /// The job that is next; waits for one. Nil when the queue is closed and empty.
  ///
  /// Whoever takes a job says when it has ended.
  func next() -> DiskJob? {
    condition.withLock {
      while true {
        if let job = takeNext() { return job }
        if isClosed && reads.count + writes.count == 0 { return nil }
        condition.wait()
      }
    }
  }

  private func takeNext() -> DiskJob? {
    let writeLimit = readingCount > 0 ? max(1, threadCount - 1) : threadCount
    let mayWrite = writes.count > 0 && writingCount < writeLimit
    if reads.count > 0, !(mayWrite && readsInRow >= Self.readsInRowMax) {
      readingCount += 1
      readsInRow += 1
      return reads.next()
    }
    guard mayWrite else { return nil }
    writingCount += 1
    readsInRow = 0
    return writes.next()
  }

  /// A job that was taken is carried out.
  func ended(_ job: DiskJob) {
    condition.withLock {
      if case .read = job.direction { readingCount -= 1 } else { writingCount -= 1 }
      // A write may have waited for this; and at the end nobody is to wait any longer.
      if isClosed || readingCount == 0 && writes.count > 0 { condition.broadcast() }
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
