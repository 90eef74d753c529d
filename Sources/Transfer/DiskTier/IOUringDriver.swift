import CLinux
import Glibc

/// A driver of one io_uring: one thread starts transfers and takes their results, in batches, and
/// the others help it to complete them.
///
/// 1. Its threads start with it. 2. Jobs wait in one bounded queue; reads go first, for requests
/// wait for them, and only a quarter as many writes as reads are with the device at a time, fewer
/// while it has reads.
/// 3. `shutdown` ends it; without that it ends, in the same way, at the last reference.
///
/// `prepare` runs on the ring's thread; `complete`, which proves what was read, on any of them.
public final class IOUringDriver: DiskDriver {
  private let queue: RingQueue
  private let threads = ThreadGroup()

  /// What messages and figures call it.
  public var name: String { DiskOptions.Driver.ring.rawValue }

  /// Starts `threadCount` threads (1 to 64), the ring's included, with room for `queueLimit`
  /// waiting jobs and `depth` reads (1 to 1024) with the device.
  ///
  /// - Parameter pieceBytes: what one operation moves at most; smaller in tests.
  /// - Throws: `noRing` when the kernel gives none; `system` when a thread cannot be started. No
  ///   thread is left running then.
  public init(
    threadCount: Int = 2, queueLimit: Int = 256, depth: Int = 32, pieceBytes: Int = 1 << 30
  ) throws(DiskTierError) {
    let limits = RingThread.Limits(depth: depth, pieceBytes: pieceBytes)
    queue = try RingQueue(
      limit: max(1, queueLimit), endedLimit: limits.inFlight, inFlightLimit: limits.inFlight)
    let start = RingStart()
    var code = threads.start(name: "kvbm-ring") { [queue] in
      RingThread(queue, limits).run(start)
      queue.finish()
    }
    guard code == 0 else {
      throw .system(call: "pthread_create", path: "kvbm-ring", errno: code)
    }
    code = start.wait()
    guard code == 0 else {
      threads.join()
      throw .noRing(errno: code)
    }
    for index in 1..<min(max(1, threadCount), 64) {
      code = threads.start(name: "kvbm-check-\(index)") { [queue] in
        while let ended = queue.waitForEnded() { ended.job.complete(ended.code) }
      }
      guard code == 0 else {
        shutdown()
        throw .system(call: "pthread_create", path: "kvbm-check-\(index)", errno: code)
      }
    }
  }

  deinit { shutdown() }

  /// Takes a job unless `queueLimit` jobs wait or the driver is shut down.
  public func submit(_ job: DiskJob) -> Bool { queue.add(job) }

  /// Carries out all that was taken, then ends the threads.
  public func shutdown() {
    queue.close()
    threads.join()
  }
}

/// Tells whoever made the ring's thread how it began.
final class RingStart: @unchecked Sendable {
  private let condition = Condition()
  private var code: Int32?

  /// 0, or why there is no ring.
  func tell(_ code: Int32) {
    condition.withLock {
      self.code = code
      condition.signal()
    }
  }

  /// Waits for `tell`.
  func wait() -> Int32 {
    condition.withLock {
      while true {
        if let code { return code }
        condition.wait()
      }
    }
  }
}
