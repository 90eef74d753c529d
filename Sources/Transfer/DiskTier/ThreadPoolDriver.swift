import CLinux
import Glibc

/// A driver of a few threads, each carrying out one job at a time with `pread` and `pwrite`.
///
/// 1. Its threads start with it. 2. Jobs wait in one bounded queue, reads before writes.
/// 3. `shutdown` ends it; without that it ends, in the same way, at the last reference.
public final class ThreadPoolDriver: DiskDriver {
  private let queue: JobQueue
  private let threads: ThreadGroup

  /// What messages and figures call it.
  public var name: String { DiskOptions.Driver.threads.rawValue }

  /// Starts `threadCount` threads (1 to 64) with room for `queueLimit` waiting jobs.
  ///
  /// - Throws: `system` when a thread cannot be started; none is left running then.
  public init(threadCount: Int = 2, queueLimit: Int = 256) throws(DiskTierError) {
    let threadCount = min(max(1, threadCount), 64)
    queue = JobQueue(limit: max(1, queueLimit), threadCount: threadCount)
    threads = ThreadGroup()
    for index in 0..<threadCount {
      let code = threads.start(name: "kvbm-disk-\(index)") { [queue] in
        while let job = queue.next() {
          Self.carryOut(job)
          queue.ended(job)
        }
      }
      guard code == 0 else {
        shutdown()
        throw .system(call: "pthread_create", path: "kvbm-disk-\(index)", errno: code)
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

  /// Carries out one job on the calling thread.
  public static func carryOut(_ job: DiskJob) {
    let prepared = job.prepare?() ?? 0
    job.complete(prepared == 0 ? transfer(job) : prepared)
  }

  /// The transfer alone; 0 or the errno.
  public static func transfer(_ job: DiskJob) -> Int32 {
    switch job.direction {
    case .read:
      return Transfer.read(
        job.fd, into: job.address.pointer, count: job.byteCount, at: job.offset)
    case .write(let flush):
      let code = Transfer.write(
        job.fd, from: job.address.pointer, count: job.byteCount, at: job.offset)
      guard code == 0, flush else { return code }
      return clinux_fdatasync(job.fd) == 0 ? 0 : errno
    }
  }
}
