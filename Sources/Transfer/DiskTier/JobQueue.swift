import Glibc

/// A bounded queue of jobs between any threads: adding never waits, taking does.
final class JobQueue: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wakeUp = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// A ring, guarded by `lock` like all that follows.
  private var jobs: [DiskJob?]
  private var first = 0
  private var count = 0
  private var isClosed = false

  /// An empty queue for `limit` jobs, 1 at least.
  init(limit: Int) {
    jobs = Array(repeating: nil, count: limit)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(wakeUp, nil)
  }

  deinit {
    pthread_cond_destroy(wakeUp)
    pthread_mutex_destroy(lock)
    wakeUp.deallocate()
    lock.deallocate()
  }

  /// False when the queue is full or closed.
  func add(_ job: DiskJob) -> Bool {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    guard !isClosed, count < jobs.count else { return false }
    jobs[(first + count) % jobs.count] = job
    count += 1
    pthread_cond_signal(wakeUp)
    return true
  }

  /// The oldest job; waits for one. Nil when the queue is closed and empty.
  func next() -> DiskJob? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while count == 0 && !isClosed { pthread_cond_wait(wakeUp, lock) }
    guard count > 0 else { return nil }
    let job = jobs[first]
    jobs[first] = nil
    first = (first + 1) % jobs.count
    count -= 1
    return job
  }

  /// Refuses jobs from now on; those that wait are still handed out.
  func close() {
    pthread_mutex_lock(lock)
    isClosed = true
    pthread_cond_broadcast(wakeUp)
    pthread_mutex_unlock(lock)
  }
}
