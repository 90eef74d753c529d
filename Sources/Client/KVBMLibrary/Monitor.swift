import Glibc

/// A lock with a condition: for state whose changes somebody waits for.
///
/// Never destroyed while a thread is inside; its owner sees to that.
final class Monitor<State>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var state: State

  /// A monitor of a state that nobody waits for yet.
  init(_ state: State) {
    self.state = state
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Runs `body` with the state; nobody is woken.
  func withLock<Result>(_ body: (inout State) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&state)
  }

  /// Runs `body` with the state and wakes all who wait.
  func change<Result>(_ body: (inout State) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer {
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(mutex)
    }
    return body(&state)
  }

  /// Waits until `body` has an answer, at most until `deadline`; nil when it has none by then.
  func wait<Result>(until deadline: Deadline, _ body: (inout State) -> Result?) -> Result? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var moment = deadline.timespec
    while true {
      if let result = body(&state) { return result }
      if pthread_cond_timedwait(changed, mutex, &moment) == ETIMEDOUT { return body(&state) }
    }
  }
}

/// A moment on the monotonic clock.
struct Deadline {
  /// On the monotonic clock.
  let nanoseconds: Int64

  /// A moment on that clock.
  init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// So many milliseconds from now.
  init(afterMilliseconds milliseconds: UInt32) {
    nanoseconds = Self.now &+ Int64(milliseconds) &* 1_000_000
  }

  /// Nanoseconds on the monotonic clock, which no change of date moves.
  static var now: Int64 {
    var time = Glibc.timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// Never negative.
  var remainingMilliseconds: Int32 {
    Int32(clamping: max(0, (nanoseconds &- Self.now &+ 999_999) / 1_000_000))
  }

  /// Whether to wait no longer.
  var hasPassed: Bool { Self.now >= nanoseconds }

  /// The form that system calls take.
  var timespec: Glibc.timespec {
    Glibc.timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  }
}
