import Synchronization

/// The lock of the caller's language runtime, such as CPython's, that a calling thread may hold.
///
/// A call that gives the lock up at once and takes it back after some microseconds stands behind
/// every thread that came meanwhile, for as long as each likes. So calls keep it, and give it up
/// only where they wait for longer than others should: see `kvbm_set_interpreter_lock`.
enum InterpreterLock {
  /// The runtime's functions. Set once, before any call that waits, and never taken back.
  struct Functions: Sendable {
    /// Whether the calling thread holds the lock.
    let isHeld: @convention(c) () -> Int32
    /// Gives the lock up; the answer is for `takeBack`.
    let giveUp: @convention(c) () -> UnsafeMutableRawPointer?
    /// Waits for the lock.
    let takeBack: @convention(c) (UnsafeMutableRawPointer?) -> Void
  }

  private static let functions = Mutex<Functions?>(nil)

  /// So long a call that waits keeps the lock.
  private static let patienceMilliseconds: UInt32 = 1

  /// Says how calls from now on give the lock up; nil: there is none.
  static func set(_ given: Functions?) { functions.withLock { $0 = given } }

  /// Waits by `body` until it has an answer or the deadline has passed.
  ///
  /// `body` gets a moment until which it may wait, and is run again where that is not the deadline.
  /// Who holds a lock of ours around this may be waited for by threads that hold the interpreter's:
  /// such a lock must be one that only this thread takes in calls that keep it.
  static func wait<Result>(
    until deadline: Deadline, _ body: (Deadline) -> Result?
  ) -> Result? {
    let patience = Deadline(afterMilliseconds: patienceMilliseconds)
    guard patience.nanoseconds < deadline.nanoseconds,
      let functions = functions.withLock({ $0 }), functions.isHeld() == 1
    else { return body(deadline) }
    if let result = body(patience) { return result }
    let token = functions.giveUp()
    defer { functions.takeBack(token) }
    return body(deadline)
  }
}
