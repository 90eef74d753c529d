import DiskTier

/// Objects in a bucket of a service that speaks S3, by libcurl, on one thread.
///
/// 1. Opening loads libcurl and finds credentials; nothing is sent yet.
/// 2. Each job is a request: put (where nothing is, if the server can do that), get, head, delete.
///    What may be better the next time is sent again, ever later, within the job's deadline.
/// 3. `shutdown`, or the last reference, ends it, requests that are under way included.
///
/// A job ends at its deadline: from then on nothing touches its memory.
public final class S3ObjectStore: ObjectStore {
  private let worker: S3Worker
  private let threads = ThreadGroup()

  /// What it has met since it was opened.
  public var figures: ObjectFigures { worker.figures }

  /// Opens the store; whether the server can be reached shows with the first job.
  ///
  /// - Throws: `noLibrary`, `noCredentials`, `badSetting`, `system`; no thread runs then.
  public init(_ settings: S3Settings) throws(ObjectError) {
    let worker = try S3Worker(settings)
    self.worker = worker
    let code = threads.start(name: "kvbm-s3") { worker.run() }
    guard code == 0 else {
      throw .system(call: "pthread_create", path: "kvbm-s3", errno: code)
    }
  }

  deinit { shutdown() }

  /// Takes a job unless `queueLimit` jobs have no outcome yet or the store is shut down.
  public func submit(_ job: ObjectJob) -> Bool { worker.submit(job) }

  /// Ends all jobs as failed that have no outcome yet.
  public func shutdown() {
    worker.close()
    threads.join()
  }
}
