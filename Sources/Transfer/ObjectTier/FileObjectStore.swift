import DiskTier
import Glibc
import Synchronization

/// Objects in a directory that other nodes share: NFS, a parallel file system, a local disk.
///
/// 1. Opening makes the directory a store, or finds that it is one.
/// 2. A few threads carry out one job each at a time; a job that none took by its deadline fails.
/// 3. `shutdown`, or the last reference, ends it.
///
/// A thread may be stuck in a call to a file server that does not answer. Its job's memory cannot
/// be given back as long as that call may touch it, so `complete` comes late then, with what really
/// happened: who gave the job gives up waiting before, and keeps the memory aside.
public final class FileObjectStore: ObjectStore {
  /// How it works, apart from where.
  public struct Options: Sendable {
    /// Threads that read and write, 1 to 64.
    public var threadCount = 4
    /// Jobs that may wait for them.
    public var queueLimit = 256

    /// The defaults.
    public init() {}
  }

  /// The calls that the threads make.
  let directory: ObjectDirectory
  private let queue: ObjectQueue
  private let threads = ThreadGroup()
  private let counts: Counts

  /// What threads count; held by them, so that they do not hold the store.
  private final class Counts: Sendable {
    let figures = Mutex(ObjectFigures())
  }

  /// What it has met since it was opened.
  public var figures: ObjectFigures { counts.figures.withLock { $0 } }
  /// The store's directory.
  public var path: String { directory.root }

  /// Opens the store in a directory, and makes it where the directory is empty or missing.
  ///
  /// - Throws: `notAStore`, `newerFormat`, `system`; no thread runs then.
  public init(path: String, options: Options = Options()) throws(ObjectError) {
    let directory = try ObjectDirectory(path)
    let queue = ObjectQueue(limit: options.queueLimit)
    let counts = Counts()
    self.directory = directory
    self.queue = queue
    self.counts = counts
    var bodies: [@Sendable () -> Void] = (0..<min(max(1, options.threadCount), 64)).map { _ in
      { while let job = queue.next() { Self.carryOut(job, directory, counts) } }
    }
    bodies.append { while let job = queue.nextExpired() { job.complete(.failed(.timedOut)) } }
    for (index, body) in bodies.enumerated() {
      let code = threads.start(name: "kvbm-object-\(index)", body)
      guard code == 0 else {
        shutdown()
        throw .system(call: "pthread_create", path: "kvbm-object-\(index)", errno: code)
      }
    }
  }

  deinit { shutdown() }

  /// Takes a job unless `queueLimit` jobs wait or the store is shut down.
  public func submit(_ job: ObjectJob) -> Bool { queue.add(job) }

  /// Ends it; waits as long as the file server takes with the calls that are under way.
  public func shutdown() {
    for job in queue.close() { job.complete(.failed(.shutDown)) }
    threads.join()
  }

  private static func carryOut(
    _ job: ObjectJob, _ directory: ObjectDirectory, _ counts: Counts
  ) {
    guard MonotonicClock.now < job.deadline else { return job.complete(.failed(.timedOut)) }
    do throws(ObjectError) {
      job.complete(try outcome(job, directory, counts))
    } catch {
      job.complete(.failed(error))
    }
  }

  private static func outcome(
    _ job: ObjectJob, _ directory: ObjectDirectory, _ counts: Counts
  ) throws(ObjectError) -> ObjectOutcome {
    let found: ObjectDirectory.Found
    switch job.operation {
    case .put(let memory, let byteCount):
      found = try directory.put(
        job.name, UnsafeRawBufferPointer(start: memory.pointer, count: byteCount),
        deadline: job.deadline)
    case .get(let memory, let byteCount):
      found = try directory.get(
        job.name, into: UnsafeMutableRawBufferPointer(start: memory.pointer, count: byteCount),
        deadline: job.deadline)
    case .look: return try directory.look(job.name) ? .done : .missing
    case .remove: return try directory.remove(job.name) ? .done : .missing
    }
    counts.figures.withLock { figures in
      if found == .existing { figures.existingCount += 1 }
      if found == .damaged { figures.damagedCount += 1 }
    }
    return found == .asWanted || found == .existing ? .done : .missing
  }
}
