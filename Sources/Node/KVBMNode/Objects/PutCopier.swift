import BlockEngine
import CLinux
import DiskTier
import Glibc
import HostTier
import KVLayout
import ObjectTier
import Synchronization

/// Copies blocks that are to be put, on a thread of its own, and hands the copies to the store.
///
/// Copies have a budget: while it is used up the blocks wait in host memory, where they are pinned.
final class PutCopier: Sendable {
  /// A block that is to be put.
  struct Put: Sendable {
    let ticket: UInt64
    let memory: HostMemory
    let slot: Int
    let description: SlotDescription
    let deadline: UInt64
  }

  /// Receives each put's end, once.
  typealias Completion = @Sendable (_ ticket: UInt64, _ end: ObjectEnd) -> Void

  private struct State: Sendable {
    var waiting: [Put] = []
    /// Of copies that the store has.
    var copiedBytes = 0
    var isClosed = false
  }

  private enum Next {
    case put(Put)
    case nothing
    case end([Put])
  }

  private let keeper: ObjectKeeper
  private let form: ObjectForm
  private let completion: Completion
  private let state = Mutex(State())
  private let bell = clinux_eventfd()
  private let threads = ThreadGroup()

  /// A copier for the keeper's store; nothing happens before `start`.
  init(_ keeper: ObjectKeeper, _ form: ObjectForm, completion: @escaping Completion) {
    self.keeper = keeper
    self.form = form
    self.completion = completion
  }

  deinit { close(bell) }

  /// Whether the system gives a thread.
  func start() -> Bool { bell >= 0 && threads.start(name: "kvbm-put", { [self] in run() }) == 0 }

  /// Takes a put whose source stays as it is, but for its header, until the end is told; false when
  /// too many wait or it is stopped.
  func add(_ put: Put) -> Bool {
    let isTaken = state.withLock { state in
      guard !state.isClosed, state.waiting.count < Self.queueLimit else { return false }
      state.waiting.append(put)
      return true
    }
    if isTaken { clinux_eventfd_signal(bell) }
    return isTaken
  }

  /// Asks the thread to end; what waits fails. Does not wait.
  func stop() {
    state.withLock { $0.isClosed = true }
    clinux_eventfd_signal(bell)
  }

  /// Waits for the thread's end.
  func join() { threads.join() }

  // MARK: On the thread

  private func run() {
    while true {
      switch next() {
      case .put(let put): begin(put)
      case .nothing:
        var watch = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        if poll(&watch, 1, -1) > 0 { clinux_eventfd_drain(bell) }
      case .end(let puts):
        for put in puts { completion(put.ticket, .failed(.shutDown)) }
        return
      }
    }
  }

  /// The oldest put for whose copy there is room; one may always be under way.
  private func next() -> Next {
    state.withLock { state in
      if state.isClosed {
        defer { state.waiting = [] }
        return .end(state.waiting)
      }
      guard let first = state.waiting.first else { return .nothing }
      let count = ObjectForm.byteCount(first.description.shape)
      guard state.copiedBytes == 0 || state.copiedBytes + count <= Self.budgetBytes else {
        return .nothing
      }
      state.copiedBytes += count
      return .put(state.waiting.removeFirst())
    }
  }

  private func begin(_ put: Put) {
    let description = put.description
    let count = ObjectForm.byteCount(description.shape)
    let copy = SlotAddress(.allocate(byteCount: count, alignment: 4_096))
    copy.pointer.copyMemory(from: put.memory.slot(put.slot), byteCount: count)
    if let failure = form.pack(copy.pointer, description) { return end(put, copy, failure) }
    let name = ObjectRunner.name(
      description.namespace, description.key, group: Int(description.group))
    let isTaken =
      keeper.store?.submit(
        ObjectJob(.put(from: copy, byteCount: count), name: name, deadline: put.deadline) {
          [self] outcome in end(put, copy, ObjectEnd(outcome))
        }) ?? false
    if !isTaken { end(put, copy, .failed(.shutDown)) }
  }

  private func end(_ put: Put, _ copy: SlotAddress, _ end: ObjectEnd) {
    copy.pointer.deallocate()
    let count = ObjectForm.byteCount(put.description.shape)
    state.withLock { $0.copiedBytes -= count }
    clinux_eventfd_signal(bell)
    completion(put.ticket, end)
  }

  /// The engine has no more of them under way.
  private static let queueLimit = 1_024
  private static let budgetBytes = 64 << 20
}
