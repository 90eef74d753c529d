import CKVBM
import Synchronization
import Wire

/// A side's way to its node: attached or not, and since when why not.
///
/// `attach` may run on a thread of its own beside calls: the handshake happens outside the lock.
final class Link: Sendable {
  private struct State {
    var attachment: Attachment?
    var reason: Int32 = 0
    var lastInstance: UInt64 = 0
    var attachCount: UInt64 = 0
  }

  /// Where the node listens, or will.
  let socketPath: String
  private let hello: Hello
  private let state = Mutex(State())
  private let degradedCalls = Atomic<UInt64>(0)

  /// A link that is not attached; `hello` is what every attempt says.
  init(socketPath: String, hello: Hello) {
    self.socketPath = socketPath
    self.hello = hello
  }

  /// The attachment for a call, or nil: then the call counts as degraded.
  func current() -> Attachment? {
    let attachment = usable()
    if attachment == nil { degradedCalls.wrappingAdd(1, ordering: .relaxed) }
    return attachment
  }

  /// Connects unless connected already.
  ///
  /// - Throws: As `Attachment.connect`; the code is the link's reason from then on.
  func attach(timeoutMilliseconds: UInt32) throws(CallFailure) {
    if usable()?.isAlive == true { return }
    let deadline = Deadline(afterMilliseconds: timeoutMilliseconds)
    do throws(CallFailure) {
      let attachment = try Attachment.connect(path: socketPath, hello: hello, deadline: deadline)
      state.withLock {
        $0.attachment = attachment
        $0.lastInstance = attachment.nodeInstance
        $0.attachCount &+= 1
        $0.reason = 0
      }
    } catch {
      state.withLock { $0.reason = error.code }
      throw error
    }
  }

  /// Notes why a call failed; the attachment is let go if it was abandoned.
  func note(_ failure: CallFailure) {
    state.withLock { $0.reason = failure.code }
    _ = usable()
  }

  /// Ends the attachment for good.
  func detach(isClean: Bool) {
    let attachment = state.withLock {
      let attachment = $0.attachment
      $0.attachment = nil
      return attachment
    }
    if isClean { attachment?.sayGoodbye() }
    attachment?.abandon()
  }

  /// The state as kvbm.h has it; looks whether the node has gone. Any thread.
  func report() -> kvbm_state {
    let isAttached = usable()?.isAlive == true
    if !isAttached { _ = usable() }
    return state.withLock {
      kvbm_state(
        attached: isAttached ? 1 : 0, reason: isAttached ? 0 : $0.reason,
        node_instance: $0.lastInstance, attach_count: $0.attachCount,
        degraded_calls: degradedCalls.load(ordering: .relaxed))
    }
  }

  private func usable() -> Attachment? {
    state.withLock {
      if let attachment = $0.attachment, !attachment.isUsable {
        $0.attachment = nil
        if $0.reason == 0 { $0.reason = Int32(KVBM_UNAVAILABLE) }
      }
      return $0.attachment
    }
  }
}
