import CLinux
import Glibc
import Synchronization

/// Named threads that are ended together.
package final class ThreadGroup: Sendable {
  private let threads = Mutex<[pthread_t]>([])

  /// No threads yet.
  package init() {}

  /// Runs `body` on a new thread; 0, or why there is none. Names are cut to 15 bytes.
  package func start(name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
    let start = Unmanaged.passRetained(ThreadStart(name: String(name.prefix(15)), body: body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
        _ = clinux_set_thread_name(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    if code == 0 {
      threads.withLock { $0.append(thread) }
    } else {
      start.release()
    }
    return code
  }

  /// Waits for the end of every thread that was started; a thread of the group itself is let go.
  package func join() {
    let all = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for thread in all {
      if pthread_equal(thread, pthread_self()) != 0 {
        pthread_detach(thread)
      } else {
        pthread_join(thread, nil)
      }
    }
  }
}

private final class ThreadStart: Sendable {
  let name: String
  let body: @Sendable () -> Void

  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}
