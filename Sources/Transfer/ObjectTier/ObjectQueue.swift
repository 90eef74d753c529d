import Glibc

/// Jobs that wait for a thread: bounded, in order of their ranks, each until its deadline at most.
final class ObjectQueue: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wakeUp = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let deadlineChanged = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let limit: Int
  /// Guarded by `lock` like all that follows.
  private var jobs: [ObjectJob] = []
  private var isClosed = false

  /// An empty queue for `limit` jobs, 1 at least.
  init(limit: Int) {
    self.limit = max(1, limit)
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(wakeUp, &attributes)
    pthread_cond_init(deadlineChanged, &attributes)
    pthread_condattr_destroy(&attributes)
    jobs.reserveCapacity(self.limit)
  }

  deinit {
    for condition in [wakeUp, deadlineChanged] {
      pthread_cond_destroy(condition)
      condition.deallocate()
    }
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// False when the queue is full or closed.
  func add(_ job: ObjectJob) -> Bool {
    withLock {
      guard !isClosed, jobs.count < limit else { return false }
      jobs.append(job)
      pthread_cond_signal(wakeUp)
      pthread_cond_signal(deadlineChanged)
      return true
    }
  }

  /// The oldest job of the first rank; waits for one. Nil when the queue is closed.
  func next() -> ObjectJob? {
    withLock {
      while jobs.isEmpty && !isClosed { pthread_cond_wait(wakeUp, lock) }
      if isClosed { return nil }
      let first = jobs.indices.min { jobs[$0].operation.rank < jobs[$1].operation.rank }
      return first.map { jobs.remove(at: $0) }
    }
  }

  /// A job that nobody took before its deadline; waits for one. Nil when the queue is closed.
  func nextExpired() -> ObjectJob? {
    withLock {
      while !isClosed {
        guard let index = jobs.indices.min(by: { jobs[$0].deadline < jobs[$1].deadline }) else {
          pthread_cond_wait(deadlineChanged, lock)
          continue
        }
        let deadline = jobs[index].deadline
        if MonotonicClock.now >= deadline { return jobs.remove(at: index) }
        var until = timespec(
          tv_sec: Int(min(deadline / 1_000_000_000, UInt64(Int32.max))),
          tv_nsec: Int(deadline % 1_000_000_000))
        pthread_cond_timedwait(deadlineChanged, lock, &until)
      }
      return nil
    }
  }

  /// Refuses jobs from now on, and hands out those that wait.
  func close() -> [ObjectJob] {
    withLock {
      isClosed = true
      pthread_cond_broadcast(wakeUp)
      pthread_cond_broadcast(deadlineChanged)
      defer { jobs = [] }
      return jobs
    }
  }

  private func withLock<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}

/// The clock that deadlines are in.
enum MonotonicClock {
  /// Nanoseconds since some moment.
  static var now: UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }
}
