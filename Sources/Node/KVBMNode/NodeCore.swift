import BlockEngine
import DiskTier
import Glibc
import Protection
import Synchronization
import Wire

/// The engine under its lock, and the stores whose outcomes it hears.
///
/// Any thread may enter through `state`; nothing under the lock waits or does I/O.
final class NodeCore: Sendable {
  /// As validated; it never changes.
  let configuration: NodeConfiguration
  /// Differs for every node process.
  let instance: UInt64
  /// For the uptime.
  let startedAt: Time
  /// The disk tier's store, if there is one; its own threads carry out reads and writes.
  let store: DiskStore?
  /// Who carries out what is wanted of the object store, if there is one.
  let objects: ObjectRunner?
  /// The node's one lock.
  let state: Mutex<NodeState>
  /// Why a tier has less than it was given, by tier; said in the log when it begins and when it
  /// ends.
  private let shortfalls = Mutex<[Tier: String]>([:])
  private let outcomes: OutcomeRelay
  /// Why the disk tier was left out at the start, if it was.
  let diskFailure: String?

  /// Opens the disk store, if there is one, begins to open the object store, and makes an engine.
  init(_ configuration: NodeConfiguration) throws(NodeError) {
    self.configuration = configuration
    startedAt = Clock.now
    instance = UInt64.random(in: 1 ... .max)
    let outcomes = OutcomeRelay()
    var diskFailure: String?
    let store = try Self.openStore(configuration, outcomes, &diskFailure)
    self.diskFailure = diskFailure
    self.outcomes = outcomes
    self.store = store
    objects = try Self.openObjects(configuration, outcomes)
    var limits = Limits()
    Self.limit(&limits, for: configuration.object)
    limits.stagingNanoseconds = UInt64(configuration.stagingMilliseconds) * 1_000_000
    limits.loadDecision = configuration.loadDecision
    limits.retentionPercent = configuration.retentionPercent
    limits.pinPercent = configuration.pinPercent
    limits.tenantLimit = configuration.tenants == nil ? 0 : TenantTable.countMax
    // What one step's answer can hold.
    limits.storeLimit = WireFormat.storeCountMax
    // Fewer than the store's queue takes, so that it refuses only when it is closed.
    limits.readLimit = 128
    limits.writeLimit = 64
    var engine = BlockEngine(
      limits: limits, epoch: UInt16.random(in: 1 ... .max), seed: UInt64.random(in: 0 ... .max),
      eviction: configuration.eviction,
      hostAdmission: configuration.hostAdmission.makePolicy(),
      diskAdmission: (configuration.disk?.admission ?? .all).makePolicy(),
      writeBudget: configuration.disk?.writeBudgetBytes.map { WriteBudget(bytesPerDay: $0) })
    // So that the first prompts that the disk has are weighed as well.
    let trialReads = (store?.trialReads ?? []).map { ($0.bytes, $0.nanoseconds) }
    engine.note(trialReads: trialReads, now: startedAt)
    var tenants = TenantTable(configuration.tenants)
    tenants.open(in: &engine)
    state = Mutex(
      NodeState(engine: engine, store: store, objects: objects, tenants: tenants))
    outcomes.core.withLock { $0 = self }
  }

  private static func openStore(
    _ configuration: NodeConfiguration, _ outcomes: OutcomeRelay, _ failure: inout String?
  ) throws(NodeError) -> DiskStore? {
    guard let disk = configuration.disk else { return nil }
    var options = DiskOptions()
    options.driver = disk.driver
    options.flush = disk.flush
    options.threadCount = disk.threadCount
    options.queueDepth = disk.queueDepth
    options.protector = configuration.keys.map { Protector(keys: $0, form: disk.encryption) }
    // A node that is about to end lets its lock go within moments: wait for it.
    for attempt in 0... {
      do throws(DiskTierError) {
        return try DiskStore.open(
          directory: disk.path, capacityBytes: disk.capacityBytes, options: options
        ) { ticket, outcome in outcomes.deliver(ticket, outcome) }
      } catch {
        if case .inUse = error, attempt < 50 {
          usleep(100_000)
          continue
        }
        if case .unsound = error {
          // What host memory holds is worth as much without a disk below it.
          failure = "no disk tier: \(error) Then start the node again."
          return nil
        }
        if case .noRing = error { throw .disk("disk.driver: \(error)") }
        throw .disk("disk.path: \(error)")
      }
    }
    return nil
  }

  /// A read or write has ended; on a thread of the driver.
  fileprivate func ended(_ ticket: UInt64, _ outcome: DiskOutcome) {
    let now = Clock.now
    state.withLock { state in
      let told: Outcome
      switch outcome {
      case .success: told = .success
      case .corrupt(let fault):
        told = .corrupt
        state.diskFaults.corrupt += 1
        state.diskFaults.protection.note(fault)
        state.diskFaults.lastReason = "\(fault)"
      case .failure(let code):
        told = .failure
        state.diskFaults.failed += 1
        state.diskFaults.lastReason = String(cString: strerror(code))
      }
      state.transfers.ended(OperationID(ticket), told, now)
      state.engine.completed(OperationID(ticket), part: 0, told, now: now)
      state.settle(now: now)
    }
  }

  /// A part of an operation on the object store has ended; on a thread of the store's.
  fileprivate func ended(object ticket: UInt64, part: Int, _ end: ObjectEnd) {
    let now = Clock.now
    state.withLock { $0.ended(ticket, part, end, now) }
  }

  /// Notes that a tier cannot grow, or, with nil, that it can again.
  func note(shortfall: String?, of tier: Tier) {
    let previous = shortfalls.withLock { shortfalls in
      defer { shortfalls[tier] = shortfall }
      return shortfalls[tier]
    }
    if let shortfall, previous == nil { NodeLog.warning(shortfall) }
    if shortfall == nil, previous != nil { NodeLog.info("the \(tier) tier can grow again") }
  }

  /// A sentence for each tier that has less than it was given.
  var currentShortfalls: [String] {
    shortfalls.withLock { $0.values.sorted() } + (diskFailure.map { [$0] } ?? [])
  }

  /// Takes no more work for the stores; what was begun on disk is carried out and told before this
  /// returns.
  func closeStore() {
    store?.close()
    closeObjects()
    outcomes.core.withLock { $0 = nil }
  }
}

/// Carries outcomes from the stores, which exist first, to the core that opened them.
final class OutcomeRelay: Sendable {
  /// Nil before it is made and after its end: nobody hears then.
  let core = Mutex<NodeCore?>(nil)

  /// The outcome of a read or write.
  func deliver(_ ticket: UInt64, _ outcome: DiskOutcome) {
    core.withLock { $0 }?.ended(ticket, outcome)
  }

  /// The end of a part of an operation on the object store.
  func deliver(object ticket: UInt64, part: Int, _ end: ObjectEnd) {
    core.withLock { $0 }?.ended(object: ticket, part: part, end)
  }
}
