import CLinux
import Glibc

/// What the threads of a ring share: jobs that wait for the ring, and transfers that have ended.
///
/// Any thread adds jobs; the ring's thread takes them, and adds what ended; that thread and its
/// helpers complete what ended.
final class RingQueue: @unchecked Sendable {
  /// A transfer that is over, whose `complete` has not run.
  struct Ended {
    /// What it was.
    var job: DiskJob
    /// 0 or the errno.
    var code: Int32
  }

  /// What the ring's thread finds when it has nothing to do.
  enum Rest {
    /// A job came meanwhile.
    case none
    /// It may wait on the ring: the bell will be rung for the next job.
    case sleep
    /// The queue is closed, and nothing is left.
    case end
  }

  /// An eventfd that wakes the ring's thread; closed with this object.
  let bell: Int32
  private let condition = Condition()
  /// Guarded by `condition`, as is all that follows.
  private var reads: Fifo<DiskJob>
  private var writes: Fifo<DiskJob>
  private var ended: Fifo<Ended>
  private let limit: Int
  private let endedLimit: Int
  private var isClosed = false
  private var isAsleep = false
  private var hasFinished = false
  private var idleHelperCount = 0

  /// An empty queue for `limit` jobs that wait. No job is taken while `endedLimit` or more are over
  /// and not complete; up to `inFlightLimit` are taken at a time.
  ///
  /// - Throws: `system` when there is no descriptor for the bell.
  init(limit: Int, endedLimit: Int, inFlightLimit: Int) throws(DiskTierError) {
    self.limit = limit
    self.endedLimit = endedLimit
    reads = Fifo(limit: limit)
    writes = Fifo(limit: limit)
    // What could not be prepared ends beside what was in flight.
    ended = Fifo(limit: endedLimit + 2 * inFlightLimit)
    bell = clinux_eventfd()
    guard bell >= 0 else { throw .system(call: "eventfd", path: "", errno: errno) }
  }

  deinit { if bell >= 0 { Glibc.close(bell) } }

  /// False when the queue is full or closed.
  func add(_ job: DiskJob) -> Bool {
    let (isTaken, mustRing) = condition.withLock {
      guard !isClosed, reads.count + writes.count < limit else { return (false, false) }
      if case .read = job.direction { reads.append(job) } else { writes.append(job) }
      defer { isAsleep = false }
      return (true, isAsleep)
    }
    if mustRing { clinux_eventfd_signal(bell) }
    return isTaken
  }

  /// Refuses jobs from now on; those that wait are still handed out.
  func close() {
    condition.withLock { isClosed = true }
    clinux_eventfd_signal(bell)
  }

  // MARK: The ring's thread

  /// The job that is next, a read before all writes; nil when there is none that there is room for.
  func take(canRead: Bool, canWrite: Bool) -> DiskJob? {
    condition.withLock {
      isAsleep = false
      guard ended.count < endedLimit else { return nil }
      return (canRead ? reads.next() : nil) ?? (canWrite ? writes.next() : nil)
    }
  }

  /// Hands transfers over to be completed. The ring's thread keeps one for itself, unless it has
  /// jobs to start first.
  func add(_ transfers: [Ended]) {
    condition.withLock {
      for transfer in transfers { ended.append(transfer) }
      let own = reads.count + writes.count == 0 ? 1 : 0
      for _ in 0..<max(0, min(idleHelperCount, transfers.count - own)) { condition.signal() }
    }
  }

  /// The transfer that is to be completed next; nil when there is none.
  func nextEnded() -> Ended? { condition.withLock { ended.next() } }

  /// Whether transfers wait to be completed.
  var hasEnded: Bool { condition.withLock { ended.count > 0 } }

  /// Says whether the ring's thread may wait, and has it woken if so.
  func rest(canRead: Bool, canWrite: Bool, inFlightCount: Int) -> Rest {
    condition.withLock {
      if ended.count > 0 || canRead && reads.count > 0 || canWrite && writes.count > 0 {
        return .none
      }
      if isClosed, inFlightCount == 0, reads.count + writes.count == 0 { return .end }
      isAsleep = true
      return .sleep
    }
  }

  /// Nothing will end any more: lets the helpers go.
  func finish() {
    condition.withLock {
      hasFinished = true
      condition.broadcast()
    }
  }

  // MARK: Helpers

  /// The transfer that is to be completed next; waits for one. Nil when there will be none.
  func waitForEnded() -> Ended? {
    condition.withLock {
      while ended.count == 0 && !hasFinished {
        idleHelperCount += 1
        condition.wait()
        idleHelperCount -= 1
      }
      return ended.next()
    }
  }
}
