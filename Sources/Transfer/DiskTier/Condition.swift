import Glibc

/// A lock, and one thing to wait for under it. What it guards is its owner's affair.
final class Condition: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let variable = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// An open lock.
  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(variable, nil)
  }

  deinit {
    pthread_cond_destroy(variable)
    pthread_mutex_destroy(mutex)
    variable.deallocate()
    mutex.deallocate()
  }

  /// Runs `body` under the lock.
  func withLock<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Lets the lock go until somebody signals, or for no reason. Under the lock only.
  func wait() { pthread_cond_wait(variable, mutex) }

  /// Wakes one that waits.
  func signal() { pthread_cond_signal(variable) }

  /// Wakes all that wait.
  func broadcast() { pthread_cond_broadcast(variable) }
}
