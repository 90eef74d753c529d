extension BlockEngine {
  mutating func beginStores(
    _ id: RequestID, _ namespace: NamespaceID, _ keys: Span<BlockKey>, _ firstPosition: Int,
    _ parentKey: BlockKey, _ firstOffered: [Int], _ now: Time
  ) throws(PoolError) -> StoreAnswer {
    advance(to: now)
    guard let keyCount = accept(namespace, keys.count, firstPosition) else { return .none }
    var answer = StoreAnswer.none
    let walk = Walk(
      entry: -1, groups: namespaces[Int(namespace.rawValue)], namespace: namespace,
      firstPosition: firstPosition, parentKey: parentKey, payer: tenants.payer(of: id),
      offeredCount: keyCount)
    guard isValid(firstOffered, walk.groups) else {
      counters.invalidCalls += 1
      return .none
    }
    let use = try use(of: id, namespace)
    let wantedEnd = wantedEnd(use, walk, keys)
    let retention = retained.isEmpty ? nil : retained[id]
    for index in 0..<keyCount {
      let claim = retention?.claim(at: firstPosition + index, now) ?? .normal
      var verdict = judge(walk, keys, index, priority: Int(claim.worth.priority), now)
      // What its request calls worth more is not outbid.
      if firstPosition + index >= wantedEnd && claim.worth.level <= .normal {
        verdict.host = verdict.host ?? .outbid
      }
      for group in walk.groups.indices {
        let isDropped = !firstOffered.isEmpty && index < firstOffered[group]
        if isDropped && bugs.contains(.stopAtDropped) { return answer }
        if isDropped && !bugs.contains(.storeDropped) { continue }
        let record = walk.record(keys, index, group)
        let offer = Offer(
          request: id, record: record, verdict: verdict, use: use, claim: claim,
          payer: walk.payer)
        guard let isNew = try beginStore(offer, walk.groups[group], now) else {
          return answer
        }
        if isNew { answer.offloadCount += 1 }
      }
      answer.coveredCount += 1
    }
    return answer
  }

  /// Whether only blocks of windowed groups are left out.
  private func isValid(_ firstOffered: [Int], _ groups: [GroupPlace]) -> Bool {
    guard !firstOffered.isEmpty else { return true }
    return firstOffered.count == groups.count
      && zip(firstOffered, groups).allSatisfy { $0 == 0 || $0 > 0 && $1.windowBlocks != nil }
  }

  /// A block that a request offers.
  private struct Offer {
    let request: RequestID
    let record: BlockRecord
    /// Whether the tiers want it, should it be absent.
    let verdict: Verdict
    let use: Int?
    /// What the request says that it is worth.
    let claim: Claim
    let payer: TenantID
  }

  /// The use of a request, which is made known when it is not; nil when it cannot be.
  private mutating func use(
    of id: RequestID, _ namespace: NamespaceID
  ) throws(PoolError) -> Int? {
    guard let entry = try admit(id, namespace), requests[entry].namespace == namespace else {
      return nil
    }
    return requests[entry].use
  }

  /// Takes one block in, where it is absent and wanted.
  ///
  /// - Returns: Whether it is taken in; nil when it cannot be had.
  private mutating func beginStore(
    _ offer: Offer, _ place: GroupPlace, _ now: Time
  ) throws(PoolError) -> Bool? {
    let record = offer.record
    let name = record.indexKey
    guard name != .none else {
      counters.invalidCalls += 1
      return false
    }
    if let block = pools[.host, place.classID].pool.block(for: name) {
      counters.storesPresent += 1
      if let use = offer.use {
        uses[use].note(record.key, at: Int(record.position), wasThere: true)
      } else {
        try pools[.host, place.classID].pool.touch(block)
      }
      try claim(block, .host, place.classID, offer.claim)
      try claimOnDisk(name, place.classID, offer.claim)
      try considerWrite(place.classID, block, offer.verdict.disk, offer.use, now)
      try considerPut(place.classID, block, now)
      return false
    }
    if let arrival = arriving[Place(classID: place.classID, key: name)] {
      operations[arrival]!.claim =
        operations[arrival]!.claim?.merged(with: offer.claim) ?? offer.claim
      counters.storesPresent += 1
      let isWanted = diskAdmission != nil && offer.verdict.disk == nil
      if isWanted { operations[arrival]!.diskRefusal = nil }
      return false
    }
    if let reason = offer.verdict.host, reason == .outbid || !bugs.contains(.storeRefused),
      !isAnnounced(record, place.classID)
    {
      refuse(.host, record, reason)
      if reason == .outbid, let use = offer.use { uses[use].turnedAwayCount += 1 }
      return reason == .outbid && bugs.contains(.stopAtUnwanted) ? nil : false
    }
    guard hasRoom(for: .store) else {
      counters.storesRefused += 1
      return nil
    }
    let refusalCount = counters.hostOverShare
    guard
      let target = allocate(
        .host, place.classID, partCount: place.partCount, for: offer.payer)
    else {
      if counters.hostOverShare > refusalCount { refuse(.host, record, .overShare) }
      return nil
    }
    let operation = try begin(
      Operation(
        kind: .store, record: record, classID: place.classID, source: .none, target: target,
        deadline: now + limits.storeNanoseconds,
        outstandingParts: ~0 >> UInt32(32 - place.partCount), claim: offer.claim,
        owner: offer.request.engine, payer: offer.payer, use: offer.use,
        diskRefusal: offer.verdict.disk), now)
    addPending(offer.use)
    effects.append(
      .offload(
        operation, offer.request, position: Int(record.position), group: Int(record.group),
        to: BlockRef(tier: .host, classID: place.classID, block: target)))
    return true
  }

  // MARK: Behind a store

  /// Sends a ready block to disk, now or when its turn comes, unless the disk has it or does not
  /// want it.
  ///
  /// - Parameter refusal: Why the disk does not want it.
  mutating func considerWrite(
    _ classID: ClassID, _ block: BlockID, _ refusal: RefusalReason?, _ use: Int?, _ now: Time
  ) throws(PoolError) {
    guard pools[.disk, classID].pool.capacity > 0,
      !pools[.host, classID].notes[block.slot].isWriteQueued
    else { return }
    guard pools[.disk, classID].pool.counts.usable > 0 else {
      counters.diskExhausted += 1
      return
    }
    if bugs.contains(.giveUpDisk) && counters.writesFailed > 0 { return }
    let record = pools[.host, classID].records[block.slot]
    guard !isTail(record.key) else { return }
    guard isAbsentFromDisk(classID, record.indexKey) else { return }
    if let refusal { return refuse(.disk, record, refusal) }
    guard writeQueue.push(WriteQueue.Entry(classID: classID, block: block, use: use)) else {
      counters.writesDropped += 1
      return
    }
    addPending(use)
    pools[.host, classID].notes[block.slot].isWriteQueued = true
    try beginWrites(now)
  }

  /// Begins the writes that wait, as far as the limit allows.
  mutating func beginWrites(_ now: Time) throws(PoolError) {
    while hasRoom(for: .write), let entry = writeQueue.pop() {
      if try !beginWrite(entry, now) { try endPending(entry.use) }
    }
  }

  func isAbsentFromDisk(_ classID: ClassID, _ name: BlockKey) -> Bool {
    !pools[.disk, classID].pool.contains(name)
      && arrivingOnDisk[Place(classID: classID, key: name)] == nil
  }

  /// - Returns: Whether the write is under way; its use goes with it then.
  private mutating func beginWrite(
    _ entry: WriteQueue.Entry, _ now: Time
  ) throws(PoolError) -> Bool {
    let classID = entry.classID
    guard let name = pools[.host, classID].pool.key(of: entry.block) else {
      counters.writesLapsed += 1
      return false
    }
    pools[.host, classID].notes[entry.block.slot].isWriteQueued = false
    guard isAbsentFromDisk(classID, name) else { return false }
    let record = pools[.host, classID].records[entry.block.slot]
    if pools[.disk, classID].pool.counts.available > 0,
      let reason = refusalOfWrite(record, classID, now)
    {
      refuse(.disk, record, reason)
      return false
    }
    // Whoever pays for it in host memory pays for it here.
    let payer = pools[.host, classID].pool.owner(of: entry.block.slot)
    let refusalCount = counters.diskOverShare
    guard let target = allocate(.disk, classID, partCount: 1, for: payer) else {
      let isOverShare = counters.diskOverShare > refusalCount
      if isOverShare { refuse(.disk, record, .overShare) } else { counters.writesDropped += 1 }
      return false
    }
    try pools[.host, classID].pool.pin(entry.block)
    let operation = try begin(
      Operation(
        kind: .write, record: record, classID: classID, source: entry.block, target: target,
        deadline: now + limits.transferNanoseconds, outstandingParts: 1,
        payer: bugs.contains(.disownOnDisk) ? .standard : payer, use: entry.use), now)
    effects.append(
      .write(
        operation, record, from: BlockRef(tier: .host, classID: classID, block: entry.block),
        to: BlockRef(tier: .disk, classID: classID, block: target)))
    return true
  }
}
