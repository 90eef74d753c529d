import BlockEngine

/// Who carries effects out, with delays and losses by dice.
extension Simulation {
  /// Turns effects into jobs, one a part.
  mutating func accept(_ effects: [Effect]) {
    var onboards: [(operation: OperationID, request: RequestID, pieces: [Job.Piece])] = []
    for effect in effects {
      switch effect {
      case .offload(let operation, let id, let position, let group, let target):
        fold(1, operation.rawValue)
        tell(
          "\(operation.words): \(id.words) stores position \(position), group \(group), "
            + "to \(target.words)")
        acceptOffload(operation, id, position, group, target)
      case .onboard(let operation, let id, let position, let group, let source):
        fold(2, operation.rawValue)
        tell(
          "\(operation.words): \(id.words) loads position \(position), group \(group), "
            + "from \(source.words)")
        guard let record = expectedRecord(id, position, group) else { continue }
        if onboards.last?.operation != operation { onboards.append((operation, id, [])) }
        onboards[onboards.count - 1].pieces.append(Job.Piece(record: record, source: source))
      case .read(let operation, let record, let source, let target):
        fold(3, operation.rawValue)
        tell("\(operation.words): read \(record.words) from \(source.words) to \(target.words)")
        notePayer(of: target, nil)
        add(operation, 0, .read(record, from: source, to: target))
      case .write(let operation, let record, let source, let target):
        fold(4, operation.rawValue)
        tell("\(operation.words): write \(record.words) from \(source.words) to \(target.words)")
        scanned[Int(target.classID.rawValue)].remove(target.block.slot.rawValue)
        checkWrite(record)
        notePayer(ofCopy: target, from: source)
        add(operation, 0, .write(record, from: source, to: target))
      case .get(let operation, let record, let target):
        fold(12, operation.rawValue)
        tell("\(operation.words): get \(record.words) into \(target.words)")
        checkGet(record)
        notePayer(of: target, nil)
        add(operation, 0, .get(record, to: target))
      case .put(let operation, let record, let source):
        fold(13, operation.rawValue)
        tell("\(operation.words): put \(record.words) from \(source.words)")
        checkPut(record, source)
        add(operation, 0, .put(record, from: source))
      case .look(let operation, let records):
        fold(14, operation.rawValue)
        tell("\(operation.words): ask for \(records.map(\.words).joined(separator: "; "))")
        checkAsked()
        for (part, record) in records.enumerated() { add(operation, part, .look(record)) }
      case .loadEnded(let operation, let id, let count):
        fold(5, operation.rawValue)
        tell("\(operation.words): \(id.words) has loaded \(count)")
        checkEnd(of: operation, id, count)
      case .stored(let tier, let record):
        fold(6, record.key.low)
        tell("found in \(tier): \(record.words)")
        hear(tier, record, isThere: true)
      case .removed(let tier, let record, let reason):
        fold(7, record.key.low)
        tell("\(reason) in \(tier): \(record.words)")
        hear(tier, record, isThere: false)
        let place = Self.namespaces[Int(record.namespace.rawValue)][Int(record.group)]
        if tier == .host { checkPin(of: record, place.classID, reason) }
      case .refused(let tier, let record, let reason):
        fold(11, record.key.low)
        tell("not let into \(tier) (\(reason)): \(record.words)")
        hear(refusal: reason, tier, record)
      }
    }
    for load in onboards {
      checkPieces(load.operation, load.pieces)
      for part in 0..<Machine.partCountMax {
        add(load.operation, part, .onboard(load.request.engine, load.pieces))
      }
    }
  }

  private mutating func acceptOffload(
    _ operation: OperationID, _ id: RequestID, _ position: Int, _ group: Int, _ target: BlockRef
  ) {
    guard let record = expectedRecord(id, position, group) else { return }
    check(engine.record(of: target) == record, "a store under another block's name")
    checkStore(record)
    notePayer(of: target, ledger.payer(of: id))
    for part in 0..<Self.partCount(of: record) {
      add(operation, part, .offload(id.engine, record, to: target))
    }
  }

  /// The block that a request has at a place; effects are drained before a request is forgotten.
  private mutating func expectedRecord(
    _ id: RequestID, _ position: Int, _ group: Int
  ) -> BlockRecord? {
    guard let prompt = prompts[id], prompt.names.indices.contains(position) else {
      check(false, "an effect for a request or a block that is not there")
      return nil
    }
    return record(prompt, position, group)
  }

  private mutating func add(_ operation: OperationID, _ part: Int, _ work: Job.Work) {
    let isLate = strikes(.lateCopy, oneIn: 20)
    var runAt = now + UInt64(random.below(isLate ? 3000 : 150))
    let isLost = strikes(.lostReport, oneIn: 100)
    let reportDelay = UInt64(random.below(strikes(.lateReport, oneIn: 20) ? 3000 : 50))
    var deadline = UInt64.max
    switch work {
    case .onboard: break
    case .offload: deadline = now + limits.storeNanoseconds
    case .read, .write:
      deadline = now + limits.transferNanoseconds
      runAt += diskDelay
      if step < slowBefore { runAt += UInt64(random.below(4000)) }
    case .get, .put, .look:
      let isLook = if case .look = work { true } else { false }
      deadline = now + (isLook ? limits.lookNanoseconds : limits.objectNanoseconds)
      if step < shelf?.slowBefore ?? 0 && !isSafe { runAt += UInt64(random.below(4000)) }
    }
    jobs.append(
      Job(
        operation: operation, part: part, work: work, deadline: deadline, runAt: runAt,
        reportAt: isLost ? .max : runAt + reportDelay))
  }

  /// Moves the bytes and delivers the reports that are due, each at most twice.
  mutating func runDrivers() {
    var position = 0
    while position < jobs.count {
      if jobs[position].runAt <= now && jobs[position].outcome == nil { run(position) }
      guard jobs[position].reportAt <= now else {
        position += 1
        continue
      }
      let job = jobs[position]
      jobs[position].isEcho = true
      jobs[position].reportAt = now + UInt64(random.below(2000))
      let isRepeated = !job.isEcho && strikes(.repeatedReport, oneIn: 10)
      if !isRepeated {
        jobs.swapAt(position, jobs.count - 1)
        jobs.removeLast()
      }
      report(job)
    }
  }

  private mutating func run(_ position: Int) {
    let job = jobs[position]
    if now > job.deadline { tally.copiesAfterTimeout += 1 }
    var outcome: Outcome = strikes(.failedCopy, oneIn: 30) ? .failure : .success
    switch job.work {
    case .offload(_, let record, let target):
      let isGarbled = outcome == .failure
      let bytes = isGarbled ? random.next() : Truth.bytes(record, part: job.part)
      machines[target].enter(target.block.slot, part: job.part, bytes)
    case .onboard(_, let pieces):
      var count = pieces.count
      if outcome == .failure && strikes(.partialBatch) { count = random.below(count + 1) }
      for piece in pieces.prefix(count) where !load(piece, part: job.part) { outcome = .corrupt }
    case .read(let record, let source, let target):
      let verifies = machines[target].readDisk(
        source.block.slot, into: target.block.slot, record: record)
      if !verifies && bug != .skipVerification { outcome = .corrupt }
    case .write(let record, let source, let target):
      outcome = write(record, from: source, to: target, fails: outcome == .failure)
    case .get, .put, .look:
      if let shelf { outcome = run(job, on: shelf, fails: outcome == .failure) }
    }
    if outcome != .success { tell("\(job.operation.words), part \(job.part): \(outcome)") }
    if bug == .reportSuccess && outcome == .failure { outcome = .success }
    jobs[position].outcome = outcome
  }

  private mutating func write(
    _ record: BlockRecord, from source: BlockRef, to target: BlockRef, fails: Bool
  ) -> Outcome {
    let parts = 0..<Self.partCount(of: record)
    if parts.contains(where: { !machines[source].isIntact(source.block.slot, part: $0) }) {
      return .corrupt
    }
    // No space: nothing was written.
    if step < fullBefore { return .failure }
    // A disk that lies: torn, and reported as written.
    let isTorn = fails ? strikes(.tornWrite) : strikes(.lyingDisk, oneIn: 40)
    machines[target].writeDisk(
      target.block.slot, from: source.block.slot, record: record, lastUsed: now,
      retention: engine.retention(of: source), payer: engine.owner(of: target), isTorn: isTorn)
    return fails ? .failure : .success
  }

  /// A rank copies its part of a block into the device; false when it finds the bytes wrong.
  private mutating func load(_ piece: Job.Piece, part: Int) -> Bool {
    guard part < Self.partCount(of: piece.record) else { return true }
    let machine = machines[Int(piece.source.classID.rawValue)]
    let slot = piece.source.block.slot
    guard machine.isIntact(slot, part: part) || bug == .skipHostVerification else { return false }
    check(
      machine.host[slot.index][part] == Truth.bytes(piece.record, part: part),
      "wrong bytes reach the device")
    return true
  }

  private mutating func report(_ job: Job) {
    let outcome = job.outcome ?? .failure
    tell("\(job.operation.words), part \(job.part) reports \(outcome)\(job.isEcho ? " again" : "")")
    fold(8, job.operation.rawValue &+ UInt64(job.part))
    if case .onboard = job.work, !job.isEcho {
      check(loads[job.operation] != nil, "a load ended before its last part")
      if outcome != .success { loads[job.operation]?.hasFailed = true }
    }
    let holdings = holdings(before: job)
    engine.completed(job.operation, part: job.part, outcome, now: time)
    checkShares(since: holdings, isExact: false)
    if job.isOnObjects { hearObjects(job, outcome) }
    guard outcome == .corrupt, !job.isEcho else { return }
    switch job.work {
    case .read(_, let source, _), .write(_, let source, _):
      check(!engine.finds(source), "a corrupt copy is still offered")
    case .onboard(_, let pieces):
      tally.loadsCorrupt += 1
      for piece in pieces {
        check(!engine.finds(piece.source), "a corrupt ready block is still offered")
      }
    case .put(_, let source): check(!engine.finds(source), "a corrupt copy is still offered")
    case .offload, .get, .look: break
    }
  }
}

extension [Machine] {
  /// The machine of a block's class.
  subscript(ref: BlockRef) -> Machine {
    get { self[Int(ref.classID.rawValue)] }
    _modify { yield &self[Int(ref.classID.rawValue)] }
  }
}
