import CCurl
import CLinux
import Synchronization

/// The one thread of an S3 store: it owns libcurl's handles and every transfer.
///
/// `submit`, `close` and `figures` may be called from any thread; the rest is the thread's.
final class S3Worker: @unchecked Sendable {
  private struct Inbox: Sendable {
    var jobs: [ObjectJob] = []
    /// Jobs that have no outcome yet, those of `jobs` included.
    var pendingCount = 0
    var isClosed = false
  }

  private let curl: CurlLibrary
  private let multi: OpaquePointer
  private let settings: S3Settings
  private let endpoint: S3Endpoint
  private let inbox = Mutex(Inbox())
  private let counts = Mutex(ObjectFigures())
  // The thread's own, from here on.
  private var signer: S3Signer
  private var caFile: String?
  private var waiting: [S3Transfer] = []
  private var active: [UnsafeMutableRawPointer: (transfer: S3Transfer, easy: OpaquePointer)] = [:]
  private var idleHandles: [OpaquePointer] = []
  /// Until a server says that it does not know conditional puts.
  private var putsConditionally = true
  /// When credentials may be looked for again.
  private var renewalAfter: UInt64 = 0

  /// What it has met so far.
  var figures: ObjectFigures { counts.withLock { $0 } }

  /// Looks for what the settings leave open, and loads libcurl.
  ///
  /// - Throws: `noLibrary`, `noCredentials`, `badSetting`.
  init(_ settings: S3Settings) throws(ObjectError) {
    let found = S3Environment.read()
    guard let credentials = settings.credentials ?? found.credentials else {
      throw .noCredentials
    }
    let region = settings.region ?? found.region ?? "us-east-1"
    endpoint = try S3Endpoint(settings, region: region)
    curl = try CurlLibrary(file: settings.library)
    guard let multi = ccurl_multi_new(curl.table) else { throw .noLibrary("no memory") }
    self.multi = multi
    self.settings = settings
    signer = S3Signer(credentials: credentials, region: region)
    caFile = settings.caFile ?? found.caFile
    ccurl_multi_set_number(curl.table, multi, CCURL_MULTI_MAXCONNECTS, Int64(connectionLimit))
  }

  deinit {
    for handle in idleHandles { ccurl_easy_free(curl.table, handle) }
    ccurl_multi_free(curl.table, multi)
  }

  private var connectionLimit: Int { min(max(1, settings.connectionLimit), 256) }

  /// False when too many jobs have no outcome yet, or the worker is closed.
  func submit(_ job: ObjectJob) -> Bool {
    let isTaken = inbox.withLock { inbox in
      guard !inbox.isClosed, inbox.pendingCount < max(1, settings.queueLimit) else { return false }
      inbox.jobs.append(job)
      inbox.pendingCount += 1
      return true
    }
    if isTaken { ccurl_multi_wakeup(curl.table, multi) }
    return isTaken
  }

  /// Has `run` end all jobs and return.
  func close() {
    inbox.withLock { $0.isClosed = true }
    ccurl_multi_wakeup(curl.table, multi)
  }

  /// The thread's body: until `close`.
  func run() {
    // OpenSSL writes to sockets without a word about SIGPIPE.
    clinux_block_signals()
    while takeJobs() {
      startDue()
      ccurl_multi_perform(curl.table, multi)
      var code: Int32 = 0
      while let context = ccurl_multi_ended(curl.table, multi, &code) { ended(context, code) }
      ccurl_multi_poll(curl.table, multi, Int32(millisecondsToWait()))
    }
    for (transfer, easy) in active.values {
      ccurl_multi_remove(curl.table, multi, easy)
      idleHandles.append(easy)
      waiting.append(transfer)
    }
    active = [:]
    for transfer in waiting { finish(transfer, .failed(.shutDown)) }
    waiting = []
  }

  /// False when the worker is closed.
  private func takeJobs() -> Bool {
    inbox.withLock { inbox in
      waiting += inbox.jobs.map { S3Transfer($0) }
      inbox.jobs = []
      return !inbox.isClosed
    }
  }

  /// Ends what waited for too long, and sends what may be sent.
  private func startDue() {
    let now = MonotonicClock.now
    var kept: [S3Transfer] = []
    for transfer in inTurn {
      if now >= transfer.job.deadline {
        finish(transfer, transfer.isCleaning ? .missing : .failed(transfer.lastError ?? .timedOut))
      } else if transfer.notBefore <= now && active.count < connectionLimit {
        start(transfer)
      } else {
        kept.append(transfer)
      }
    }
    waiting = kept
  }

  /// What waits, by rank; as it came within one.
  private var inTurn: [S3Transfer] {
    guard active.count + waiting.count > connectionLimit else { return waiting }
    return ObjectJob.Operation.ranks.flatMap { rank in
      waiting.filter { $0.operation.rank == rank }
    }
  }

  private func start(_ transfer: S3Transfer) {
    guard let easy = idleHandles.popLast() ?? ccurl_easy_new(curl.table) else {
      return finish(transfer, .failed(.network("no memory")))
    }
    var code = transfer.begin(
      curl, easy, endpoint: endpoint, signer: signer, caFile: caFile,
      isConditional: putsConditionally)
    if code == 0 { code = ccurl_multi_add(curl.table, multi, easy) }
    guard code == 0 else {
      idleHandles.append(easy)
      return finish(transfer, .failed(.network("libcurl refuses a request (\(code))")))
    }
    active[Unmanaged.passUnretained(transfer).toOpaque()] = (transfer, easy)
  }

  private func ended(_ context: UnsafeMutableRawPointer, _ code: Int32) {
    guard let (transfer, easy) = active.removeValue(forKey: context) else { return }
    ccurl_multi_remove(curl.table, multi, easy)
    idleHandles.append(easy)
    let attempt = S3Attempt(
      operation: transfer.operation, isConditional: transfer.isConditional,
      bucket: settings.bucket, code: code, text: transfer.text(code, curl),
      // libcurl counts in milliseconds.
      isLate: MonotonicClock.now + 2_000_000 >= transfer.job.deadline)
    let verdict = transfer.answer.verdict(attempt)
    switch verdict {
    case .again(let error) where transfer.attemptCount < settings.attemptLimit:
      transfer.delay(after: error)
      retry(transfer)
    case .withoutCondition:
      putsConditionally = false
      transfer.hurry()
      retry(transfer)
    case .ended(.failed(.denied)) where renewCredentials():
      transfer.hurry()
      retry(transfer)
    case _ where transfer.isCleaning: finish(transfer, .missing)
    case .damaged:
      counts.withLock { $0.damagedCount += 1 }
      transfer.clean()
      waiting.append(transfer)
    case .existing:
      counts.withLock { $0.existingCount += 1 }
      finish(transfer, .done)
    case .again(let error): finish(transfer, .failed(error))
    case .ended(let outcome): finish(transfer, outcome)
    }
  }

  private func retry(_ transfer: S3Transfer) {
    counts.withLock { $0.retryCount += 1 }
    waiting.append(transfer)
  }

  private func finish(_ transfer: S3Transfer, _ outcome: ObjectOutcome) {
    transfer.release(curl)
    inbox.withLock { $0.pendingCount -= 1 }
    transfer.job.complete(outcome)
  }

  /// Whether there are other credentials than those that were just denied: they expire, and
  /// somebody else renews the file.
  private func renewCredentials() -> Bool {
    let now = MonotonicClock.now
    guard settings.credentials == nil, now >= renewalAfter else { return false }
    renewalAfter = now + 1_000_000_000
    guard let found = S3Environment.read().credentials, found != signer.credentials else {
      return false
    }
    signer = S3Signer(credentials: found, region: signer.region)
    return true
  }

  /// Until something waits no longer; libcurl's own times are its own concern.
  private func millisecondsToWait() -> Int {
    let now = MonotonicClock.now
    let isFull = active.count >= connectionLimit
    var until = now + 1_000_000_000
    for transfer in waiting {
      until = min(until, transfer.job.deadline)
      if !isFull { until = min(until, transfer.notBefore) }
    }
    return until <= now ? 0 : Int((until - now + 999_999) / 1_000_000)
  }
}
