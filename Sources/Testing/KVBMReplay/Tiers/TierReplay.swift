import BlockEngine
import BlockIdentity
import BlockPolicy

/// Plays a trace on the engine of a node, over pretend tiers of given sizes and speeds.
///
/// What is stored, staged, promised, written and evicted is decided by the engine that a node runs;
/// only bytes and clocks are pretended. A request asks until nothing more is on its way, loads
/// what it was promised, and has the rest of its blocks stored. It is played by itself: it waits
/// for no device, and the next one begins at its arrival, or when this one's blocks have come from
/// disk. Loads and stores take no time on the engine's clock; the disk does, its reads and its
/// writes apart.
public struct TierReplay: ~Copyable {
  private var engine: BlockEngine
  private let setup: TierSetup
  private let limits: Limits
  private let namespace: NamespaceID
  private var reads: PretendDisk
  private var writes: PretendDisk
  private var effects: [Effect] = []
  private var now: UInt64 = 0
  private var firstArrival: UInt64?
  /// Of the request that is played: positions that came from disk.
  private var readPositions: [Int] = []
  private var totals = TierResult()

  /// A replay on empty tiers.
  public init(_ setup: TierSetup) {
    self.setup = setup
    limits = Limits()
    // A recording's keys are nobody's attack, and equal runs should be equal.
    engine = BlockEngine(
      limits: limits, epoch: 1, seed: 1,
      eviction: Eviction(host: setup.eviction, disk: setup.eviction),
      hostAdmission: setup.hostAdmission.makePolicy(),
      diskAdmission: setup.diskAdmission.makePolicy(),
      writeBudget: setup.writeBudgetBytes.map { WriteBudget(bytesPerDay: $0) })
    let classID = engine.openClass(
      slotBytes: setup.blockBytes, hostSlotLimit: setup.hostBlocks,
      diskSlotLimit: setup.diskBlocks)
    let groups = classID.map { [GroupPlace(classID: $0, partCount: 1)] } ?? []
    namespace = engine.openNamespace(groups: groups) ?? NamespaceID(0)
    engine.addExtent(.host, ClassID(0), slots: 0..<UInt32(setup.hostBlocks))
    if setup.diskBlocks > 0 {
      engine.addExtent(.disk, ClassID(0), slots: 0..<UInt32(setup.diskBlocks))
    }
    reads = PretendDisk(blockNanoseconds: setup.diskNanoseconds(1))
    writes = PretendDisk(blockNanoseconds: setup.diskNanoseconds(1))
  }

  /// What has happened so far.
  public var result: TierResult {
    var result = totals
    result.counters = engine.counters
    return result
  }

  /// Plays a request.
  ///
  /// - Parameters:
  ///   - keys: All its blocks. - promptCount: How many of them it came with.
  ///   - arrival: Nanoseconds since any origin; nil when the recording does not say.
  ///   - priority: What it calls its blocks worth, 0...100.
  /// - Throws: What contradicts itself in the engine.
  public mutating func play(
    _ keys: Span<BlockKey>, promptCount: Int, arrival: UInt64?,
    priority: Int = AdmissionCandidate.normalPriority
  ) throws(BrokenInvariant) {
    begin(arrival)
    totals.requestCount += 1
    totals.promptBlockCount += promptCount
    totals.generatedBlockCount += keys.count - promptCount
    let id = RequestID(engine: EngineID(1), number: UInt64(totals.requestCount))
    let started = now
    if priority != AdmissionCandidate.normalPriority {
      let range = RetentionRange(positions: 0..<Int.max, priority: UInt8(clamping: priority))
      engine.retain(id, [range])
    }
    let loadedCount = load(id, keys.extracting(..<promptCount))
    let waited = now - started
    store(id, keys)
    engine.endStep(id.engine)
    engine.cancel(id)
    let diskCount = readPositions.count { $0 < loadedCount }
    totals.diskHitCount += diskCount
    totals.hostHitCount += loadedCount - diskCount
    totals.prefillSavedNanoseconds += setup.prefillNanoseconds(loadedCount)
    totals.served.add(
      waited + setup.hostNanoseconds(loadedCount)
        + setup.prefillNanoseconds(promptCount - loadedCount, behind: loadedCount))
    totals.recomputed.add(setup.prefillNanoseconds(promptCount))
    if let fault = engine.fault { throw fault }
  }

  private mutating func begin(_ arrival: UInt64?) {
    readPositions.removeAll(keepingCapacity: true)
    guard let arrival else {
      // Without times the disk has all the time that it needs.
      return pass(to: max(reads.lastEnd ?? now, writes.lastEnd ?? now, now))
    }
    firstArrival = firstArrival ?? arrival
    totals.spanNanoseconds = arrival - (firstArrival ?? arrival)
    pass(to: max(now, arrival))
  }

  /// Loads what there is of a prompt, waiting for the disk as long as the engine says so.
  private mutating func load(_ id: RequestID, _ keys: Span<BlockKey>) -> Int {
    guard !keys.isEmpty else { return 0 }
    let started = now
    var match = ask(id, keys)
    while match.pendingCount > 0, let end = reads.lastEnd {
      // What is late comes all the same, but nobody waits for it.
      let deadline = started + limits.stagingNanoseconds
      pass(to: min(end, max(deadline, now)))
      match = ask(id, keys)
    }
    guard match.readyCount > 0, engine.commit(id, count: match.readyCount, now: time) != nil else {
      return 0
    }
    settle()
    return match.readyCount
  }

  private mutating func ask(_ id: RequestID, _ keys: Span<BlockKey>) -> Match {
    let match = engine.match(
      id, in: namespace, keys: keys, firstPosition: 0, parentKey: .none, now: time)
    settle()
    return match
  }

  /// Offers all blocks, a step's at a time, as the connector does.
  private mutating func store(_ id: RequestID, _ keys: Span<BlockKey>) {
    let stepBlocks = max(1, TierSetup.stepTokens / setup.blockTokens)
    var first = 0
    while first < keys.count {
      let end = min(first + stepBlocks, keys.count)
      _ = engine.prepareStore(
        id, in: namespace, keys: keys.extracting(first..<end), firstPosition: first,
        parentKey: first == 0 ? .none : keys[first - 1], now: time)
      settle()
      first = end
    }
  }

  // MARK: Time and drivers

  private var time: Time { Time(nanoseconds: now) }

  /// Time passes; what the disk has done until then is reported at its moment.
  private mutating func pass(to end: UInt64) {
    while true {
      let next = min(reads.nextEnd ?? .max, writes.nextEnd ?? .max)
      guard next <= end else { break }
      now = max(now, next)
      if let job = reads.takeEnded(by: next) {
        if job.request == totals.requestCount { readPositions.append(job.position) }
        engine.completed(job.operation, part: 0, .success, now: time)
      }
      if let job = writes.takeEnded(by: next) {
        engine.completed(job.operation, part: 0, .success, now: time)
      }
      settle()
    }
    now = max(now, end)
    engine.tick(time)
    settle()
  }

  /// Carries out what the engine wants, copies at once and the disk's share in its time.
  private mutating func settle() {
    while !engine.effects.isEmpty {
      engine.drain(into: &effects)
      var load: OperationID?
      for effect in effects {
        switch effect {
        case .offload(let operation, _, _, _, _):
          engine.completed(operation, part: 0, .success, now: time)
        case .onboard(let operation, _, _, _, _): load = operation
        case .read(let operation, let record, _, _):
          let position = Int(record.position)
          reads.begin(operation, position: position, for: totals.requestCount, now: now)
        case .write(let operation, _, _, _):
          writes.begin(operation, position: 0, for: totals.requestCount, now: now)
        case .get, .put, .look, .loadEnded, .stored, .removed, .refused: break
        }
      }
      if let load { engine.completed(load, part: 0, .success, now: time) }
    }
  }

  /// Throws when the engine contradicts itself.
  ///
  /// - Complexity: O(blocks).
  public func checkInvariants() throws(BrokenInvariant) { try engine.checkInvariants() }
}

extension Trace {
  /// Plays the trace on an engine over empty tiers.
  ///
  /// - Parameter progress: Called with the requests that were played and all of them, now and then.
  /// - Throws: What contradicts itself in the engine.
  public func replay(
    over setup: TierSetup, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(BrokenInvariant) -> TierResult {
    var replay = TierReplay(setup)
    let keys = keys.span
    for request in 0..<requestCount {
      try replay.play(
        keys.extracting(range(of: request)), promptCount: promptCounts[request],
        arrival: isTimed ? arrivals[request] : nil, priority: priorities[request])
      if request % 64 == 0 { progress(request, requestCount) }
    }
    progress(requestCount, requestCount)
    return replay.result
  }
}
