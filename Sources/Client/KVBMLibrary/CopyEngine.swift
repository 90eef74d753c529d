import CKVBM
import CLinux
import Glibc
import Synchronization
import Wire

/// Threads that copy, and what is known about copies that have not ended.
///
/// Loads go before stores: somebody waits for them. Everything queued is done; nothing is dropped,
/// so a source that is pending always becomes free. What is copied sooner than a thread wakes up is
/// copied on the caller's, and who waits for a load takes part in it. Stores begin a moment after
/// they were queued: just then the engine hands out the tokens of the step that they come from.
final class CopyEngine: Sendable {
  /// All that the threads and the calls share, under the monitor.
  struct State {
    /// Jobs that no thread has taken yet.
    var loads = JobQueue()
    var stores = JobQueue()
    /// Device blocks that pending stores read, and how many each.
    var sources: [UInt32: Int] = [:]
    /// Ended loads that `takeResults` has not handed out.
    var results: [kvbm_load_result] = []
    /// When queued stores begin, on the monotonic clock.
    var storesDueAt: Int64 = 0
    /// Calls that wait for stores to end; then they begin at once.
    var hurryCount = 0
    /// Jobs that a thread is doing.
    var runningCount = 0
    /// Threads end once the queues are empty.
    var isStopping = false
    /// Whether starting them was tried; it is tried once.
    var hasThreads = false

    /// Whether nothing is queued or running, so that no memory is touched.
    var isIdle: Bool { loads.isEmpty && stores.isEmpty && runningCount == 0 }

    /// Whether a pending store reads any of these device blocks.
    func isPending(_ blocks: [UInt32]) -> Bool {
      !sources.isEmpty && blocks.contains { sources[$0] != nil }
    }

    /// The next job of a load, for the caller to run.
    mutating func takeLoad() -> Turn? { take(loads.popFirst()) }

    /// The next job of all that is due, for the caller to run.
    mutating func takeJob() -> Turn? {
      if let turn = takeLoad() { return turn }
      let isDue = hurryCount > 0 || isStopping || stores.isEmpty || Deadline.now >= storesDueAt
      return isDue ? take(stores.popFirst()) : nil
    }

    private mutating func take(_ job: CopyJob?) -> Turn? {
      guard let job else { return nil }
      runningCount += 1
      return .job(job)
    }
  }

  /// What a thread that asked for work is to do.
  enum Turn {
    case job(CopyJob)
    case again
    case end
  }

  private let rank: UInt32
  private let threadCount: Int
  private let monitor = Monitor(State())
  private let threads = Mutex<[pthread_t]>([])

  /// An engine for one rank's part; no thread runs before the first work.
  init(rank: UInt32, threadCount: Int) {
    self.rank = rank
    self.threadCount = threadCount
  }

  // MARK: Work

  /// Queues a load's copies; its end is reported to the node and handed out exactly once.
  ///
  /// `items` must not be empty: a load ends with its last job. With `isPartial` the blocks before
  /// the first that failed count as loaded; otherwise a load is all or nothing.
  func startLoad(
    _ items: [CopyItem], _ load: Plan.Load, _ attachment: Attachment, isPartial: Bool
  ) {
    let jobCount = (items.count + CopyJob.itemCountMax - 1) / CopyJob.itemCountMax
    let progress = LoadProgress(load, jobCount: jobCount, isPartial: isPartial)
    let jobs = CopyJob.split(items, attachment, progress)
    if isShort(items) { return runHere(jobs) }
    guard ensureThreads() else {
      report([part(load.operation, .failure)], to: attachment)
      return finish(
        kvbm_load_result(request: load.request, loaded_blocks: 0, planned_blocks: load.blockCount))
    }
    monitor.change { state in for job in jobs { state.loads.append(job) } }
  }

  /// Queues the copies of stores, each reported to the node under its own operation.
  ///
  /// Their device blocks are pending from here on, until each is read: see `awaitSources`.
  func startStores(_ items: [CopyItem], _ attachment: Attachment) {
    guard !items.isEmpty else { return }
    let jobs = CopyJob.split(items, attachment, nil)
    let isHere = isShort(items)
    guard isHere || ensureThreads() else {
      return report(items.map { part($0.operation, .failure) }, to: attachment)
    }
    monitor.change { state in
      for item in items { state.sources[item.deviceBlock, default: 0] += 1 }
      guard !isHere else { return }
      if state.stores.isEmpty { state.storesDueAt = Deadline.now + Self.storeDelayNanoseconds }
      for job in jobs { state.stores.append(job) }
    }
    if isHere { runHere(jobs) }
  }

  /// Enters the end of a load that never began.
  func finish(_ result: kvbm_load_result) { monitor.change { $0.results.append(result) } }

  /// Takes up to `capacity` ended loads.
  func takeResults(_ capacity: Int) -> [kvbm_load_result] {
    monitor.withLock { state in
      let taken = Array(state.results.prefix(capacity))
      state.results.removeFirst(taken.count)
      return taken
    }
  }

  // MARK: Waiting

  /// Waits until no pending store reads any of these device blocks.
  ///
  /// Bounded by what is queued: copies only move memory and always end.
  func awaitSources(_ blocks: [UInt32]) {
    // Only those whose blocks are wanted are in a hurry; hardly any step's are.
    guard monitor.withLock({ $0.isPending(blocks) }) else { return }
    while true {
      let deadline = Deadline(afterMilliseconds: 1_000)
      if waitHurrying(until: deadline, { $0.isPending(blocks) ? nil : true }) == true { return }
    }
  }

  /// Waits until a load has ended that was not taken yet, and copies meanwhile what is queued for
  /// one; false when none has in time.
  func awaitResult(until deadline: Deadline) -> Bool {
    while true {
      let turn: Turn? = InterpreterLock.wait(until: deadline) { moment in
        monitor.wait(until: moment) { state in state.results.isEmpty ? state.takeLoad() : .end }
      }
      switch turn {
      case .job(let job): run(job)
      case .end: return true
      case .again, nil: return false
      }
    }
  }

  /// Waits until nothing is queued or running; false when that was not so in time.
  func drain(until deadline: Deadline) -> Bool {
    waitHurrying(until: deadline) { $0.isIdle ? true : nil } ?? false
  }

  /// Waits for what queued stores keep from coming true; they begin at once.
  private func waitHurrying(
    until deadline: Deadline, _ body: (inout State) -> Bool?
  ) -> Bool? {
    monitor.change { $0.hurryCount += 1 }
    defer { monitor.withLock { $0.hurryCount -= 1 } }
    return InterpreterLock.wait(until: deadline) { monitor.wait(until: $0, body) }
  }

  /// Does what is queued, then ends the threads.
  func stop() {
    monitor.change { $0.isStopping = true }
    for thread in threads.withLock({ threads in
      defer { threads = [] }
      return threads
    }) {
      pthread_join(thread, nil)
    }
  }

  // MARK: Reports

  private func part(
    _ operation: UInt64, _ outcome: CompletedMessage.Outcome
  ) -> CompletedMessage.Part {
    CompletedMessage.Part(operation: operation, part: rank, outcome: outcome)
  }

  /// Tells the node how operations ended. When it takes no more, the attachment is given up.
  func report(_ parts: [CompletedMessage.Part], to attachment: Attachment) {
    guard !parts.isEmpty else { return }
    var writer = ByteWriter()
    CompletedMessage(parts: parts).encode(to: &writer)
    _ = attachment.post(MessageKind.completed, writer)
  }

  // MARK: Threads

  /// Starts the threads at the first work, so that a process that only forks has none.
  private func ensureThreads() -> Bool {
    let mustStart = monitor.withLock { state in
      defer { state.hasThreads = true }
      return !state.hasThreads
    }
    guard mustStart else { return threads.withLock { !$0.isEmpty } }
    for _ in 0..<threadCount {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(self)
      let status = pthread_create(
        &thread, nil,
        { context in
          let engine = Unmanaged<CopyEngine>.fromOpaque(context!).takeRetainedValue()
          clinux_block_signals()
          _ = clinux_set_thread_name("kvbm-copy")
          engine.loop()
          return nil
        }, context.toOpaque())
      if status == 0 { threads.withLock { $0.append(thread) } } else { context.release() }
    }
    return threads.withLock { !$0.isEmpty }
  }

  private func loop() {
    while true {
      // Stores that are queued meanwhile have a deadline of their own.
      let due = monitor.withLock { $0.stores.isEmpty ? Int64.max : $0.storesDueAt }
      let idle = Deadline(afterMilliseconds: 60_000)
      let deadline = due < idle.nanoseconds ? Deadline(nanoseconds: due) : idle
      let turn: Turn? = monitor.wait(until: deadline) { state in
        if let turn = state.takeJob() { return turn }
        if state.isStopping { return .end }
        return !state.stores.isEmpty && state.storesDueAt < deadline.nanoseconds ? .again : nil
      }
      switch turn {
      case .job(let job): run(job)
      case .end: return
      case .again, nil: continue
      }
    }
  }

  /// So long the first token of a step is on its way out of the engine.
  private static let storeDelayNanoseconds: Int64 = 5_000_000

  /// Bytes that are copied in about the time that another thread takes to wake up.
  private static let shortBytesMax = 512 << 10

  private func isShort(_ items: [CopyItem]) -> Bool {
    if Faults.delaysCopies { return false }
    var bytes = 0
    for item in items {
      bytes += item.plan.geometry.slotBytes
      if bytes > Self.shortBytesMax { return false }
    }
    return true
  }

  private func runHere(_ jobs: [CopyJob]) {
    monitor.withLock { $0.runningCount += jobs.count }
    for job in jobs { run(job) }
  }

  private func run(_ job: CopyJob) {
    if let progress = job.progress { runLoad(job, progress) } else { runStores(job) }
  }

  private func runStores(_ job: CopyJob) {
    let parts = job.items.map { part($0.operation, $0.store()) }
    report(parts, to: job.attachment)
    monitor.change { state in
      for item in job.items {
        let count = state.sources[item.deviceBlock] ?? 1
        state.sources[item.deviceBlock] = count > 1 ? count - 1 : nil
      }
      state.runningCount -= 1
    }
  }

  private func runLoad(_ job: CopyJob, _ progress: LoadProgress) {
    var firstFailed = Int.max
    var isCorrupt = false
    for item in job.items {
      let outcome = item.load()
      guard outcome != .success else { continue }
      firstFailed = min(firstFailed, item.index)
      isCorrupt = isCorrupt || outcome == .corrupt
    }
    let isLast = monitor.withLock { _ in
      progress.firstFailed = min(progress.firstFailed, firstFailed)
      progress.isCorrupt = progress.isCorrupt || isCorrupt
      progress.remainingJobs -= 1
      return progress.remainingJobs == 0
    }
    if isLast { end(progress, job.attachment) }
    monitor.change { $0.runningCount -= 1 }
  }

  /// Tells the node first: it may give the slots to others only when nothing reads them any more.
  private func end(_ progress: LoadProgress, _ attachment: Attachment) {
    let isWhole = progress.firstFailed == Int(progress.blockCount)
    let outcome: CompletedMessage.Outcome =
      isWhole ? .success : progress.isCorrupt ? .corrupt : .failure
    report([part(progress.operation, outcome)], to: attachment)
    finish(
      kvbm_load_result(
        request: progress.request,
        loaded_blocks: UInt32(truncatingIfNeeded: progress.loadedCount),
        planned_blocks: progress.blockCount))
  }
}
