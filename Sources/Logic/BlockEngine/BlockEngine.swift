/// Decides what is stored, staged, loaded and given up in a host tier over a disk tier and, where
/// there is one, an object store that is shared with others.
///
/// A state machine without I/O, clock, threads or locks. Calls change its state and append to
/// `effects`; the caller drains them, carries them out, and reports each part's outcome through
/// `completed`.
///
/// A block's way: 1. `prepareStore` → `offload` to a filling host block. 2. All parts succeeded →
/// ready, `write` to disk and `put`. 3. `match` promises what is ready, stages what is known:
/// `read` or `get`, and asks for what is not: `look`.
/// 4. `commit` → `onboard`; the pins stay until the last rank has reported. 5. `loadEnded`.
///
/// Slots come in classes, one for each size, with a pool in each tier; memory comes and goes in
/// extents while the engine runs. Not thread-safe: one caller at a time, under the node's lock.
public struct BlockEngine: ~Copyable {
  /// The bounds, as given.
  public let limits: Limits
  /// What happened since the engine was made.
  public internal(set) var counters = Counters()
  /// What is to be done, in order; the caller takes it with `drain`.
  public internal(set) var effects: [Effect] = []
  /// The first contradiction that was met. From then on the engine answers "no cache" to every
  /// call.
  public internal(set) var fault: BrokenInvariant?

  /// What the last `match` held back because computing it is expected to be faster, if anything.
  public internal(set) var refusal: LoadRefusal?

  /// Only verified blocks are registered in the host tier: registered *is* ready.
  var pools: PoolTable
  /// `[namespace][group]`
  var namespaces: [[GroupPlace]] = []
  var operations: IDTable<Operation>
  /// Operations by kind, with those that have timed out.
  var operationCounts = OperationCounts()
  /// No deadline lies before this moment.
  var nextDeadline = Time(nanoseconds: .max)
  var requests: RequestTable
  /// What requests have used; `policyMoment` is the last time that policies were told.
  var uses = UseTable()
  var policyMoment: UInt64 = 0
  /// Entries of requests with a lease, and with staging holds, in order of arrival. Dictionaries
  /// are never walked: their order is not the seed's.
  var leased: [Int] = []
  var staging: [Int] = []
  /// Staging holds of all requests.
  var stagingClaimCount = 0
  /// What is on its way into each tier, by operations within their deadline.
  var arriving: [Place: OperationID] = [:]
  var arrivingOnDisk: [Place: OperationID] = [:]
  /// Blocks that were announced, and those that only some requests may find.
  var expectations = ExpectationTable()
  var tails: TailTable
  /// Who shares the tiers, and who pays for which request.
  var tenants: TenantBook
  /// What requests have said of their blocks' worth.
  var retained: [RequestID: RequestRetention] = [:]
  var writeQueue: WriteQueue
  /// Conversations that are to be back.
  var prefetches: PrefetchTable
  /// What is known of the object store; nil without one.
  var objects: ObjectBook?
  var evictedBuffer: [Evicted] = []
  /// How fast ways and engines are.
  var speeds: SpeedBook
  /// What comes into each tier; nil where all does.
  var hostAdmission: (any AdmissionPolicy)?
  var diskAdmission: (any AdmissionPolicy)?
  /// What may be written to disk; nil without a limit.
  var writeBudget: WriteBudget?
  let seed: UInt64
  let bugs: PlantedBugs

  /// An engine without classes, namespaces and memory.
  ///
  /// - Parameters:
  ///   - epoch: A number that no earlier engine over the same drivers had.
  ///   - seed: Anything that a stranger does not know; equal seeds and calls make equal engines.
  ///   - eviction: What leaves each tier when it is full.
  ///   - hostAdmission: What may be stored. - diskAdmission: What of it may be written to disk.
  ///   - writeBudget: How much of that.
  public init(
    limits: Limits, epoch: UInt16, seed: UInt64, eviction: Eviction = Eviction(),
    hostAdmission: any AdmissionPolicy = AdmitAll(),
    diskAdmission: any AdmissionPolicy = AdmitAll(), writeBudget: WriteBudget? = nil
  ) {
    self.init(
      limits: limits, epoch: epoch, seed: seed, bugs: [], eviction: eviction,
      hostAdmission: hostAdmission, diskAdmission: diskAdmission, writeBudget: writeBudget)
  }

  /// As the public one, with defects.
  package init(
    limits: Limits, epoch: UInt16, seed: UInt64, bugs: PlantedBugs,
    eviction: Eviction = Eviction(), hostAdmission: any AdmissionPolicy = AdmitAll(),
    diskAdmission: any AdmissionPolicy = AdmitAll(), writeBudget: WriteBudget? = nil
  ) {
    limits.check()
    self.limits = limits
    self.seed = seed
    self.bugs = bugs
    pools = PoolTable(
      eviction, tickNanoseconds: limits.retentionTickNanoseconds, tenantLimit: limits.tenantLimit)
    tenants = TenantBook(limit: limits.tenantLimit)
    self.hostAdmission = hostAdmission is AdmitAll ? nil : hostAdmission
    self.diskAdmission = diskAdmission is AdmitAll ? nil : diskAdmission
    self.writeBudget = writeBudget
    operations = IDTable(capacity: limits.operationLimit, epoch: epoch)
    requests = RequestTable(capacity: limits.requestLimit)
    tails = TailTable(capacity: limits.tailLimit)
    writeQueue = WriteQueue(capacity: limits.writeQueueLimit)
    prefetches = PrefetchTable(capacity: limits.returnLimit)
    objects = limits.objectKeyLimit > 0 ? ObjectBook(limits, bugs) : nil
    speeds = SpeedBook(limits)
  }
}

// All its memory is its own, so it may go from thread to thread, one at a time.
extension BlockEngine: @unchecked Sendable {}

extension BlockEngine {
  /// Takes the effects; `effects` is empty afterwards, and `buffer`'s memory is used next.
  public mutating func drain(into buffer: inout [Effect]) {
    buffer.removeAll(keepingCapacity: true)
    swap(&buffer, &effects)
  }

  /// The state of a class's slots in a tier; nil for a class that was not opened.
  public func counts(_ tier: Tier, _ classID: ClassID) -> SlotCounts? {
    pools.contains(classID) ? pools[tier, classID].pool.counts : nil
  }

  /// Classes that were opened; their ids count from 0.
  public var classCount: Int { pools.classCount }

  /// Blocks on their way to disk or into the object store, queued or on their way: 0 when a
  /// shutdown need not wait. Those that are late count until they are reported, so whoever waits
  /// needs a limit of its own; what waits for a store that does not answer does not count.
  public var pendingWriteCount: Int {
    let putCount = isObjectStoreShut ? 0 : waitingPutCount
    return writeQueue.count + operationCounts[.write] + putCount + operationCounts[.put]
  }

  /// Operations under way, with those that have timed out.
  public var operationCount: Int { operations.count }

  /// Requests that the policies have not been told the end of: those that the engine remembers, and
  /// those that are over while stores or writes of theirs are under way.
  public var useCount: Int { uses.count }

  /// Requests that the engine remembers.
  public var requestCount: Int { requests.count }
}
