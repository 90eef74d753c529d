/// Blocks that are announced before their bytes exist, so that others wait for them and do not
/// compute them as well.
extension BlockEngine {
  /// A producer announces blocks that it is going to store.
  ///
  /// From now on a `match` of other requests counts them as pending, and waits for them as for a
  /// read, up to its own staging deadline. A store of a block by anybody ends its expectation; so
  /// do its lease's end, `abandon` and the producer's `detach`, and then the waiters' prefixes end
  /// before it. What is there or on its way already is not announced.
  ///
  /// - Parameters:
  ///   - keys: Those of the blocks, in order.
  ///   - tail: What follows them, where the producer ends within a block.
  ///   - until: When the lease ends. Of several producers of a block the one whose lease ends last
  ///     counts; one producer's later word counts.
  /// - Returns: From the first on, how many blocks are there, on their way, or expected, the tail
  ///   with them; those behind found no room.
  /// - Complexity: O(`keys.count` × groups).
  public mutating func expect(
    _ producer: RequestID, in namespace: NamespaceID, keys: Span<BlockKey>, tail: Tail? = nil,
    until: Time, now: Time
  ) -> Int {
    guard fault == nil, let count = accept(namespace, keys.count, 0), now < until else { return 0 }
    do throws(PoolError) { try endExpectations(now) } catch {
      poison(error)
      return 0
    }
    let groups = namespaces[Int(namespace.rawValue)]
    for index in 0..<count {
      guard expect(keys[index], groups, producer, until) else { return index }
    }
    guard let tail, count == keys.count,
      lease(tail, in: namespace, groups, to: producer, until: until),
      expect(name(of: tail), groups, producer, until)
    else { return count }
    return count + 1
  }

  private mutating func expect(
    _ key: BlockKey, _ groups: [GroupPlace], _ producer: RequestID, _ until: Time
  ) -> Bool {
    // All of a position or nothing.
    guard expectations.count <= limits.expectedLimit - groups.count else {
      counters.expectationsRefused += 1
      return false
    }
    for (group, place) in groups.enumerated() {
      let wanted = Place(classID: place.classID, key: key.inGroup(group))
      if wanted.key == .none || pools[.host, place.classID].pool.contains(wanted.key)
        || arriving[wanted] != nil
      {
        continue
      }
      expectations.insert(wanted, by: producer, until: until)
      counters.blocksExpected += 1
    }
    return true
  }

  /// The producer gives up what it has announced and not stored, and its tails.
  ///
  /// - Complexity: O(its expectations + tails).
  public mutating func abandon(_ producer: RequestID) {
    guard fault == nil else { return }
    do throws(PoolError) {
      if bugs.contains(.keepAbandoned) { return }
      try endExpectations(expectations.entries(of: producer))
      try endTails { $0.producer == producer }
    } catch {
      poison(error)
    }
  }

  /// Blocks that are expected, over all groups.
  public var expectedBlockCount: Int { expectations.count }

  /// Whether somebody was told that the block is going to come: then it does, whatever the tier's
  /// policies think of its future.
  func isAnnounced(_ record: BlockRecord, _ classID: ClassID) -> Bool {
    if !tails.isEmpty && tails[record.key] != nil { return true }
    return !expectations.isEmpty
      && expectations.entry(at: Place(classID: classID, key: record.indexKey)) != nil
  }

  // MARK: Waiting

  /// The entry of a block that is expected from somebody else than who asks.
  func expectation(of place: Place, for entry: Int) -> Int? {
    guard !expectations.isEmpty, let found = expectations.entry(at: place),
      expectations[found].producer != requests[entry].id
    else { return nil }
    return found
  }

  /// Whether somebody waits for an announced block, so that it is counted as staged.
  func isAwaited(_ place: Place) -> Bool {
    guard !expectations.isEmpty, let entry = expectations.entry(at: place) else { return false }
    return !expectations[entry].waiters.isEmpty
  }

  /// A hold on a block that is expected; the caller has seen that there is room for a claim.
  mutating func wait(
    for expectation: Int, _ walk: Walk, _ record: BlockRecord, _ classID: ClassID
  ) -> StagingHold {
    if expectations[expectation].waiters.isEmpty {
      pools[.host, classID].stagedBlockCount += 1
    }
    let group = Int(record.group)
    expectations[expectation].waiters.append(
      Waiter(request: walk.entry, position: Int(record.position), group: group))
    stagingClaimCount += 1
    return StagingHold(
      position: Int(record.position), group: group, operation: nil, expectation: expectation,
      block: .none)
  }

  /// The request waits for the block no more.
  mutating func leave(_ expectation: Int, _ waiter: Waiter, _ classID: ClassID) {
    expectations[expectation].waiters.removeAll { $0 == waiter }
    if expectations[expectation].waiters.isEmpty {
      pools[.host, classID].stagedBlockCount -= 1
    }
  }

  /// Somebody brings the block: who waits for its announcement waits for the transfer. The
  /// announcement stands until the block is there, for the transfer may fail.
  mutating func redirectWaiters(of place: Place, to id: OperationID) {
    guard let entry = expectations.entry(at: place) else { return }
    for waiter in exchange(&expectations[entry].waiters, with: []) {
      guard let index = holdIndex(of: waiter) else { continue }
      requests[waiter.request].holds[index].expectation = nil
      requests[waiter.request].holds[index].operation = id
      operations[id]!.waiters.append(waiter)
    }
  }

  // MARK: Ends

  /// The block is there.
  mutating func fulfil(_ place: Place) throws(PoolError) {
    guard !expectations.isEmpty, let entry = expectations.entry(at: place),
      !bugs.contains(.expectStored)
    else { return }
    try endExpectations([entry])
  }

  /// These blocks are expected no more; the prefixes of who still waits for them end before them.
  mutating func endExpectations(_ entries: [Int]) throws(PoolError) {
    for entry in entries where expectations.isLive(entry) {
      for waiter in expectations[entry].waiters {
        try truncateStaging(of: waiter.request, at: waiter.position)
      }
      expectations.remove(entry)
    }
  }

  /// Leases end, and those of tails.
  mutating func endExpectations(_ now: Time) throws(PoolError) {
    if !bugs.contains(.outliveLease) {
      let ended = expectations.ended(by: now)
      counters.expectationsLapsed += ended.count
      try endExpectations(ended)
    }
    if now >= tails.nextEnd { try endTails { now >= $0.until } }
  }

  /// An engine is gone, and brings nothing any more.
  mutating func endExpectations(by engine: EngineID) throws(PoolError) {
    if bugs.contains(.keepAbandoned) { return }
    try endExpectations(
      expectations.liveEntries.filter { expectations[$0].producer.engine == engine })
    try endTails { $0.producer.engine == engine }
  }
}
