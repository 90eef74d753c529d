import CLinux
import Glibc
import Synchronization

/// Waits for descriptors and runs what belongs to each, on the thread that calls `run`.
///
/// Handlers are added and removed on that thread, or before `run`. `post` may come from any thread.
final class EventLoop: @unchecked Sendable {
  /// Called on the loop's thread with the epoll events that have come.
  typealias Handler = (UInt32) -> Void

  private let epoll: Int32
  private let postBell: Int32
  private var handlers: [UInt64: Handler] = [:]
  private var lastToken: UInt64 = 0
  private var isStopped = false
  private let posted = Mutex<[@Sendable () -> Void]>([])

  /// A loop without handlers; nil when the kernel gives no descriptors.
  init?() {
    epoll = clinux_epoll_create()
    postBell = clinux_eventfd()
    guard epoll >= 0, postBell >= 0 else { return nil }
    add(postBell) { [unowned self] _ in self.runPosted() }
  }

  deinit {
    close(epoll)
    close(postBell)
  }

  /// Calls `handler` whenever the descriptor has input or is hung up.
  ///
  /// - Returns: The token to remove it with.
  @discardableResult
  func add(_ fd: Int32, _ handler: @escaping Handler) -> UInt64 {
    lastToken += 1
    handlers[lastToken] = handler
    _ = clinux_epoll_add(epoll, fd, lastToken)
    return lastToken
  }

  /// Forgets a descriptor, which must still be open.
  func remove(_ fd: Int32, _ token: UInt64) {
    handlers[token] = nil
    _ = clinux_epoll_remove(epoll, fd)
  }

  /// Runs `body` on the loop's thread, soon.
  func post(_ body: @escaping @Sendable () -> Void) {
    posted.withLock { $0.append(body) }
    clinux_eventfd_signal(postBell)
  }

  /// Ends `run` after the handler that is running.
  func stop() { isStopped = true }

  /// Serves until `stop`.
  func run() {
    let capacity: Int32 = 64
    var tokens = [UInt64](repeating: 0, count: Int(capacity))
    var events = [UInt32](repeating: 0, count: Int(capacity))
    while !isStopped {
      let count = clinux_epoll_wait(epoll, &tokens, &events, capacity, -1)
      // A handler may have removed another one whose event is in this batch.
      for index in 0..<max(0, Int(count)) where !isStopped {
        handlers[tokens[index]]?(events[index])
      }
    }
  }

  private func runPosted() {
    clinux_eventfd_drain(postBell)
    let bodies = posted.withLock { bodies in
      defer { bodies = [] }
      return bodies
    }
    for body in bodies { body() }
  }
}
