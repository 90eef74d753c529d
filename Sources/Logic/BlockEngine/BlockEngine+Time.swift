extension BlockEngine {
  mutating func expire(_ now: Time) throws(PoolError) {
    advance(to: now)
    for index in 0..<pools.classCount where !bugs.contains(.keepForever) {
      for tier in Tier.allCases where pools[tier, ClassID(UInt8(index))].pool.hasRetained {
        pools[tier, ClassID(UInt8(index))].pool.advance(to: now.nanoseconds)
      }
    }
    try endPins(now)
    try endLeases { now >= $0.leaseEnd }
    try endStaging(now)
    writeBudget?.begin(at: now.nanoseconds)
    try endExpectations(now)
    if now >= nextDeadline { try endTransfers(now) }
    boundTenants()
    try beginWrites(now)
    try prefetch(now)
    try beginPuts(now)
    try tryObjects(now)
  }

  private mutating func endStaging(_ now: Time) throws(PoolError) {
    var kept: [Int] = []
    for entry in staging {
      if let deadline = requests[entry].stagingDeadline, now >= deadline,
        !requests[entry].holds.isEmpty, !bugs.contains(.waitForever)
      {
        counters.stagingExpired += 1
        try dropStaging(of: entry)
      }
      if requests[entry].holds.isEmpty {
        requests[entry].isStaging = false
      } else {
        kept.append(entry)
      }
    }
    staging = kept
  }

  /// Gives up transfers that are late, and notes when to look again.
  private mutating func endTransfers(_ now: Time) throws(PoolError) {
    var late: [OperationID] = []
    var next = Time(nanoseconds: .max)
    operations.visit { id, operation in
      guard operation.kind != .load && !operation.hasTimedOut else { return }
      if now >= operation.deadline { late.append(id) } else { next = min(next, operation.deadline) }
    }
    nextDeadline = next
    for id in late { try timeOut(id, now) }
  }

  /// The deadline has passed. The requests stop waiting; the memory stays as it is until whoever
  /// carries the transfer out has reported, for it may still be read and written.
  private mutating func timeOut(_ id: OperationID, _ now: Time) throws(PoolError) {
    guard let operation = operations[id] else { return }
    switch operation.kind {
    case .store: counters.storesTimedOut += 1
    case .read: counters.readsTimedOut += 1
    case .write: counters.writesTimedOut += 1
    case .get: counters.getsTimedOut += 1
    case .put: counters.putsTimedOut += 1
    case .look: counters.looksTimedOut += 1
    case .load: return
    }
    operations[id]!.hasTimedOut = true
    if operation.kind.isOnObjects { noteLate(id, now) }
    guard operation.kind.hasTarget else { return }
    noteArrivalEnd(operation)
    forgetArrival(operation, id)
    try releaseWaiters(of: operation)
    operations[id]!.waiters = []
    // What it brings comes too late for the use, if at all.
    operations[id]!.use = nil
    if isFreedLate(operation) {
      try pools[operation.tier, operation.classID].pool.discard(operation.target)
    } else {
      try pools[operation.tier, operation.classID].pool.quarantine(operation.target)
    }
    if bugs.contains(.releaseSourceOnTimeout) { try unpinSource(of: operation) }
    if !bugs.contains(.forgetUse) { try endPending(operation.use) }
  }

  /// The object store has not answered in time.
  private mutating func noteLate(_ id: OperationID, _ now: Time) {
    operations[id]!.isUnanswered = true
    guard let operation = operations[id] else { return }
    noteAnswer(id, operation, now)
    if operation.kind == .look { endQuestion(id, operation) }
  }

  /// A planted defect: the target is free while bytes still arrive.
  func isFreedLate(_ operation: Operation) -> Bool {
    bugs.contains(.freeOnTimeout)
      || operation.kind == .get && bugs.contains(.freeLateGet)
  }

  // MARK: An engine that is gone

  mutating func dropEverything(of engine: EngineID, _ now: Time) throws(PoolError) {
    if !bugs.contains(.forgetOwner) {
      var owned: [OperationID] = []
      operations.visit { id, operation in
        if operation.owner == engine { owned.append(id) }
      }
      for id in owned where operations[id] != nil {
        operations[id]!.outstandingParts = 0
        operations[id]!.hasFailed = true
        try finish(id, now)
      }
    }
    try endExpectations(by: engine)
    for entry in requests.liveEntries where requests[entry].id.engine == engine {
      try drop(entry)
    }
    if !bugs.contains(.forgetOwner) { speeds.forget(engine) }
    retained = retained.filter { $0.key.engine != engine }
    tenants.forget(engine)
  }
}
