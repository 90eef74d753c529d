extension BlockEngine {
  mutating func note(
    _ reported: OperationID, _ part: Int, _ outcome: Outcome, _ now: Time
  ) throws(PoolError) {
    advance(to: now)
    // A report before its time, after its operation's end, or from before a restart changes
    // nothing.
    let id = bugs.contains(.acceptStale) ? operations.successor(of: reported) : reported
    guard let operation = operations[id], (0..<32).contains(part) else {
      counters.staleReports += 1
      return
    }
    var part = part
    if operation.outstandingParts & 1 << UInt32(part) == 0 {
      guard bugs.contains(.countTwice) else {
        counters.staleReports += 1
        return
      }
      part = operation.outstandingParts.trailingZeroBitCount
    }
    operations[id]!.outstandingParts &= ~(1 << UInt32(part))

    switch outcome {
    case .success:
      try noteSuccess(id, operation, part)
    case .missing:
      noteMissing(id, operation, part: part, now)
      if operation.kind == .get && bugs.contains(.missingIsThere) { try fill(id, operation, part) }
    case .corrupt:
      operations[id]!.hasFailed = true
      try dropCorrupt(operation, now)
    case .failure:
      operations[id]!.hasFailed = true
      operations[id]!.isUnanswered = true
      if operation.kind == .read { try countFailure(operation) }
    }
    if operations[id]!.outstandingParts == 0 { try finish(id, now) }
  }

  /// All parts are reported: the operation ends.
  mutating func finish(_ id: OperationID, _ now: Time) throws(PoolError) {
    guard let ended = end(id) else { return }
    countOut(ended, now)
    if !ended.hasTimedOut { noteAnswer(id, ended, now) }
    switch ended.kind {
    case .load: try finishLoad(ended, id)
    case .put: try finishPut(ended)
    case .look: endQuestion(id, ended)
    case .store, .read, .write, .get:
      try finishTransfer(ended, now)
      try endPending(ended.use)
    }
    // The store that was shut may have answered.
    if ended.kind.isOnObjects { try beginPuts(now) }
  }

  // MARK: Parts and copies

  private mutating func noteSuccess(
    _ id: OperationID, _ operation: Operation, _ part: Int
  ) throws(PoolError) {
    if operation.kind == .look && operation.keys.indices.contains(part) {
      noteStored(operation.keys[part])
    }
    guard operation.kind.hasTarget && !operation.hasTimedOut else { return }
    try fill(id, operation, part)
  }

  private mutating func fill(
    _ id: OperationID, _ operation: Operation, _ part: Int
  ) throws(PoolError) {
    _ = try pools[operation.tier, operation.classID].pool.fill(operation.target, part: part)
    if bugs.contains(.registerEarly) && operation.kind == .store {
      for rest in 0..<32 {
        _ = try? pools[operation.tier, operation.classID].pool.fill(operation.target, part: rest)
      }
      operations[id]!.outstandingParts = 0
    }
  }

  /// The copy that an operation read from is wrong: nobody shall find it again.
  private mutating func dropCorrupt(_ operation: Operation, _ now: Time) throws(PoolError) {
    counters.corruptCopies += 1
    switch operation.kind {
    case .read:
      guard !bugs.contains(.keepCorrupt) else { return }
      try removeIfFound(.disk, operation.classID, operation.source, .corrupt)
    case .write, .put:
      try removeIfFound(.host, operation.classID, operation.source, .corrupt)
    case .get:
      guard !bugs.contains(.keepCorruptObject) else { return }
      noteAbsent(operation.record.indexKey, now)
    case .load:
      try condemnSources(of: operation)
    case .store, .look:
      break
    }
  }

  /// A disk copy could not be read. It may be whole; but not when that happens again and again.
  private mutating func countFailure(_ read: Operation) throws(PoolError) {
    guard pools[.disk, read.classID].pool.key(of: read.source) != nil else { return }
    let note = pools[.disk, read.classID].notes[read.source.slot]
    let failureCount = min(Int(note.failureCount) + 1, Int(UInt8.max))
    pools[.disk, read.classID].notes[read.source.slot].failureCount = UInt8(failureCount)
    guard failureCount >= limits.readFailureLimit else { return }
    counters.unreadableCopies += 1
    try removeIfFound(.disk, read.classID, read.source, .unreadable)
  }

  // MARK: Ends

  private mutating func finishTransfer(
    _ operation: Operation, _ now: Time
  ) throws(PoolError) {
    try releaseSource(of: operation)
    // It was waited for; from now on its block is held, or given up.
    if !operation.waiters.isEmpty { pools[.host, operation.classID].stagedBlockCount -= 1 }
    guard !operation.hasTimedOut else {
      try discardTarget(of: operation)
      return try beginWrites(now)
    }
    guard !operation.hasFailed else {
      countFailed(operation.kind)
      try releaseWaiters(of: operation)
      try discardTarget(of: operation)
      return try beginWrites(now)
    }
    let block = try register(operation)
    if operation.tier == .host { try fulfil(operation.place) }
    try claim(
      block, operation.tier, operation.classID, claim(ofTarget: operation),
      isNew: block == operation.target)
    if operation.tier == .host, let claim = operation.claim {
      try claimOnDisk(operation.record.indexKey, operation.classID, claim)
    }
    try handOver(block, operation.classID, to: operation.tier == .host ? operation.waiters : [])
    switch operation.kind {
    case .store:
      counters.blocksStored += 1
      if let use = operation.use {
        let position = Int(operation.record.position)
        uses[use].note(operation.record.key, at: position, wasThere: false)
      }
      try considerWrite(operation.classID, block, operation.diskRefusal, operation.use, now)
      try considerPut(operation.classID, block, now)
    case .get:
      counters.blocksStaged += 1
      counters.blocksFetched += 1
      noteStored(operation.record.indexKey)
    case .read:
      counters.blocksStaged += 1
      pools[.disk, operation.classID].notes[operation.source.slot].failureCount = 0
    case .write:
      counters.blocksWritten += 1
    case .load, .put, .look:
      break
    }
    // Without a use nobody will speak of the block again.
    if operation.use == nil && operation.kind != .read && operation.kind != .get {
      try pools[operation.tier, operation.classID].pool.release(block)
    } else {
      try pools[operation.tier, operation.classID].pool.unpin(block)
    }
    try beginWrites(now)
  }

  private mutating func countFailed(_ kind: Operation.Kind) {
    switch kind {
    case .store: counters.storesFailed += 1
    case .read: counters.readsFailed += 1
    case .write: counters.writesFailed += 1
    case .get: counters.getsFailed += 1
    case .put: counters.putsFailed += 1
    case .look: break
    case .load: counters.loadsFailed += 1
    }
  }

  /// The target is complete: found from now on, with one pin for the caller.
  private mutating func register(_ operation: Operation) throws(PoolError) -> BlockID {
    let (tier, classID, record) = (operation.tier, operation.classID, operation.record)
    let block = try pools[tier, classID].pool.register(
      operation.target, as: record.indexKey, after: parent(of: record, tier, classID))
    // Else another copy was there first, and there is nothing new to tell.
    if block == operation.target {
      pools[tier, classID].notes[block.slot] = ClassPool.Note(writeSequence: .max)
      effects.append(.stored(tier, record))
    }
    return block
  }

  /// The block before it in its sequence, registered or on its way.
  private func parent(
    of record: BlockRecord, _ tier: Tier, _ classID: ClassID
  ) -> BlockID? {
    if let block = pools[tier, classID].parent(of: record) { return block }
    let place = Place(classID: classID, key: record.parentIndexKey)
    let arrival = tier == .host ? arriving[place] : arrivingOnDisk[place]
    return arrival.flatMap { operations[$0]?.target }
  }

  /// The waiters' prefixes end before the block. A block that cannot be read is not offered to them
  /// again; one that was wrong, or that a store did not bring, may yet come from elsewhere.
  mutating func releaseWaiters(of operation: Operation) throws(PoolError) {
    for waiter in operation.waiters {
      try truncateStaging(of: waiter.request, at: waiter.position)
      if operation.kind == .read || operation.kind == .get {
        let limit = min(requests[waiter.request].offerLimit, waiter.position)
        requests[waiter.request].offerLimit = limit
      }
    }
  }

  private mutating func releaseSource(of operation: Operation) throws(PoolError) {
    if operation.hasTimedOut && bugs.contains(.releaseSourceOnTimeout) { return }
    try unpinSource(of: operation)
  }

  mutating func unpinSource(of operation: Operation) throws(PoolError) {
    switch operation.kind {
    case .read where bugs.contains(.unpinnedRead): break
    case .read: try pools[.disk, operation.classID].pool.unpin(operation.source)
    case .put where bugs.contains(.putUnpinned): break
    case .write, .put: try pools[.host, operation.classID].pool.unpin(operation.source)
    case .store, .load, .get, .look: break
    }
  }

  /// Nobody writes to the target any more, and nobody shall read it.
  private mutating func discardTarget(of operation: Operation) throws(PoolError) {
    if operation.hasTimedOut && isFreedLate(operation) { return }
    try pools[operation.tier, operation.classID].pool.discard(operation.target)
  }
}
