import BlockEngine
import CLinux
import DiskTier
import Glibc
import ObjectTier
import Synchronization

/// Opens the object store, however long that takes and however often it fails, and sweeps it.
///
/// On a thread of its own: a node does not wait for a file server that does not answer.
final class ObjectKeeper: Sendable {
  /// Opens the store; may take for ever.
  typealias Opening = @Sendable () throws(ObjectError) -> any ObjectStore

  private struct State: Sendable {
    var store: (any ObjectStore)?
    var failure: ObjectError?
    var swept = ObjectSweep()
  }

  private let url: String
  private let opening: Opening
  private let limits: ObjectLimits
  private let sweepMilliseconds: Int
  private let state = Mutex(State())
  private let isStopping = Atomic(false)
  private let bell = clinux_eventfd()
  private let threads = ThreadGroup()

  /// A keeper of what `opening` opens; nothing happens before `start`.
  ///
  /// - Parameter sweepMilliseconds: from one sweep to the next; more where a sweep takes long.
  init(
    url: String, limits: ObjectLimits, sweepMilliseconds: Int, opening: @escaping Opening
  ) {
    self.url = url
    self.limits = limits
    // Without limits only what writers that died left behind goes.
    self.sweepMilliseconds =
      limits == ObjectLimits() ? max(sweepMilliseconds, 3_600_000) : sweepMilliseconds
    self.opening = opening
  }

  deinit { close(bell) }

  /// The store, once it is open; it stays open.
  var store: (any ObjectStore)? { state.withLock { $0.store } }

  /// Why it is not open yet; nil while the first attempt goes on, and from when it is.
  var failure: ObjectError? { state.withLock { $0.failure } }

  /// What all sweeps together have deleted; what is there is what the last one has left.
  var swept: ObjectSweep { state.withLock { $0.swept } }

  /// Begins to open; whether the system gives a thread.
  func start() -> Bool {
    bell >= 0 && threads.start(name: "kvbm-objects", { [self] in run() }) == 0
  }

  /// Asks the thread to end. Does not wait.
  func stop() {
    isStopping.store(true, ordering: .releasing)
    clinux_eventfd_signal(bell)
  }

  /// Waits for the thread's end: as long as a call to a file server takes.
  func join() { threads.join() }

  // MARK: On the thread

  private func run() {
    var pause = Self.firstPauseMilliseconds
    while !hasStopped {
      do throws(ObjectError) {
        let opened = try opening()
        state.withLock { state in
          state.store = opened
          state.failure = nil
        }
        NodeLog.info("the object store \(url) is open")
        return sweepUntilStopped(opened)
      } catch {
        note(error)
      }
      wait(pause)
      pause = min(2 * pause, Self.lastPauseMilliseconds)
    }
  }

  /// Said in the log when it is another reason than before.
  private func note(_ error: ObjectError) {
    let isNew = state.withLock { state in
      defer { state.failure = error }
      return state.failure != error
    }
    if isNew { NodeLog.warning("no object store yet, \(url): \(error)") }
  }

  /// Sweeps a directory now and then. Nodes that share it do so at different times, and not more
  /// than a twentieth of the time.
  private func sweepUntilStopped(_ store: any ObjectStore) {
    guard let directory = store as? FileObjectStore else { return }
    var pause = sweepMilliseconds
    while true {
      wait(Int.random(in: pause * 3 / 4...pause * 5 / 4))
      if hasStopped { return }
      let start = Clock.now
      do throws(ObjectError) {
        add(try directory.sweep(limits))
      } catch {
        // A directory that is gone has nothing to be deleted; jobs say that it is gone.
      }
      let took = Int((Clock.now.nanoseconds - start.nanoseconds) / 1_000_000)
      pause = max(sweepMilliseconds, 20 * min(took, Self.longestSweepMilliseconds))
    }
  }

  private func add(_ sweep: ObjectSweep) {
    state.withLock { state in
      state.swept.objectCount = sweep.objectCount - sweep.removedCount
      state.swept.byteCount = sweep.byteCount - sweep.removedBytes
      state.swept.removedCount += sweep.removedCount
      state.swept.removedBytes += sweep.removedBytes
      state.swept.temporaryCount += sweep.temporaryCount
    }
  }

  private var hasStopped: Bool { isStopping.load(ordering: .acquiring) }

  /// Waits, but not for what `stop` asks for.
  private func wait(_ milliseconds: Int) {
    let end = (Clock.now + UInt64(milliseconds) * 1_000_000).nanoseconds
    while !hasStopped {
      let now = Clock.now.nanoseconds
      guard now < end else { return }
      var watch = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
      poll(&watch, 1, Int32(min((end - now + 999_999) / 1_000_000, 60_000)))
    }
  }

  private static let firstPauseMilliseconds = 1_000
  private static let lastPauseMilliseconds = 30_000
  private static let longestSweepMilliseconds = 3_600_000
}
