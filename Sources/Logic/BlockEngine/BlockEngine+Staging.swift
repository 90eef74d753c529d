extension BlockEngine {
  /// Has the request wait for those of its keys that are on their way or can be fetched, up to the
  /// first that cannot. Everything up to there is pinned, or will be when it is ready.
  ///
  /// - Returns: The positions behind the ready prefix that are on their way.
  mutating func stage(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ now: Time
  ) throws(PoolError) -> Int {
    if let deadline = requests[walk.entry].stagingDeadline, now >= deadline,
      !bugs.contains(.waitForever)
    {
      return 0
    }
    if walk.groups.hasWindow { return try stageWindows(walk, keys, readyCount, now) }
    var walk = walk
    walk.offeredCount = try worthStaging(walk, keys, readyCount, now)
    let canStage = readyCount < walk.offeredCount && canCover(walk, keys, readyCount)
    guard canStage || !requests[walk.entry].holds.isEmpty else { return 0 }

    var old = exchange(&requests[walk.entry].holds, with: [])[...]
    var holds: [StagingHold] = []
    let firstPending = walk.firstPosition + readyCount
    while let hold = old.first, hold.position < firstPending { holds.append(old.removeFirst()) }
    let settledCount = holds.count
    var coveredCount = readyCount
    while canStage, coveredCount < walk.offeredCount, canCover(walk, keys, coveredCount),
      try cover(walk, keys, coveredCount, &old, &holds, now)
    {
      coveredCount += 1
    }
    // Less than was planned may be worth nothing.
    if coveredCount > readyCount && coveredCount < walk.offeredCount,
      try !isWorthStaging(walk, keys, readyCount, coveredCount, now)
    {
      coveredCount = readyCount
      old = holds[settledCount...] + old
      holds.removeLast(holds.count - settledCount)
    }
    if readyCount > 0 && holds.count > settledCount {
      try holdAnchor(walk, readyCount, &holds, before: settledCount)
    }
    // The prefix ends before these now.
    for hold in old { try give(back: hold, of: walk) }
    requests[walk.entry].holds = holds
    note(stagingOf: walk.entry, now)
    return coveredCount - readyCount
  }

  /// Whether every group has the block, somewhere.
  func canCover(_ walk: Walk, _ keys: Span<BlockKey>, _ index: Int) -> Bool {
    walk.groups.indices.allSatisfy { isKnown(keys[index], $0, walk) }
  }

  /// Whether a group's block of a key is ready, on its way, in a lower tier, or expected.
  func isKnown(_ key: BlockKey, _ group: Int, _ walk: Walk) -> Bool {
    isHere(key, group, walk)
      || source(of: key.inGroup(group), walk.groups[group].classID) != nil
      || expectation(
        of: Place(classID: walk.groups[group].classID, key: key.inGroup(group)), for: walk.entry)
        != nil
  }

  /// Whether it is ready or on its way.
  func isHere(_ key: BlockKey, _ group: Int, _ walk: Walk) -> Bool {
    let classID = walk.groups[group].classID
    let name = key.inGroup(group)
    return pools[.host, classID].pool.contains(name)
      || arriving[Place(classID: classID, key: name)] != nil
  }

  /// Takes over or acquires the holds of one position; false when one cannot be had.
  private mutating func cover(
    _ walk: Walk, _ keys: Span<BlockKey>, _ index: Int, _ old: inout ArraySlice<StagingHold>,
    _ holds: inout [StagingHold], _ now: Time
  ) throws(PoolError) -> Bool {
    for group in walk.groups.indices {
      if let hold = old.first, hold.isAt(walk.firstPosition + index, group) {
        old.removeFirst()
        if isOfUse(hold, walk) {
          holds.append(hold)
          continue
        }
        try give(back: hold, of: walk)
      }
      guard let hold = try acquire(walk, walk.record(keys, index, group), now) else {
        return false
      }
      holds.append(hold)
    }
    return true
  }

  /// Whether the hold's block is on its way or found; it may have been condemned meanwhile, or
  /// announced by the request itself, which must not wait for itself.
  func isOfUse(_ hold: StagingHold, _ walk: Walk) -> Bool {
    if let awaited = hold.expectation {
      return expectations[awaited].producer != requests[walk.entry].id
    }
    return hold.operation != nil
      || pools[.host, walk.groups[hold.group].classID].pool.key(of: hold.block) != nil
  }

  /// A hold on a block that is ready, on its way, or known.
  mutating func acquire(
    _ walk: Walk, _ record: BlockRecord, _ now: Time
  ) throws(PoolError) -> StagingHold? {
    let group = Int(record.group)
    let classID = walk.groups[group].classID
    if let block = pools[.host, classID].pool.block(for: record.indexKey) {
      return try hold(block, classID, of: walk.entry, at: Int(record.position), group)
    }
    let place = Place(classID: classID, key: record.indexKey)
    var arrival = bugs.contains(.stageTwice) ? nil : arriving[place]
    let isNew =
      arrival.map { operations[$0]?.waiters.isEmpty != false } ?? !isAwaited(place)
    guard hasStagingRoom(walk.entry, classID, isNew: isNew) else { return nil }
    if arrival == nil, source(of: record.indexKey, classID) == nil,
      let expected = expectation(of: place, for: walk.entry)
    {
      return wait(for: expected, walk, record, classID)
    }
    if arrival == nil { arrival = try beginFetch(record, classID, walk.payer, now) }
    guard let operation = arrival else { return nil }
    operations[operation]!.waiters.append(
      Waiter(request: walk.entry, position: Int(record.position), group: group))
    if isNew { pools[.host, classID].stagedBlockCount += 1 }
    stagingClaimCount += 1
    return StagingHold(
      position: Int(record.position), group: group, operation: operation, block: .none)
  }

  /// A hold on a block that is ready; nil without room for it.
  mutating func hold(
    _ block: BlockID, _ classID: ClassID, of entry: Int, at position: Int, _ group: Int
  ) throws(PoolError) -> StagingHold? {
    let isNew = pools[.host, classID].notes[block.slot].holdCount == 0
    guard hasStagingRoom(entry, classID, isNew: isNew) else { return nil }
    try pools[.host, classID].pool.pin(block)
    addHold(block, classID)
    stagingClaimCount += 1
    return StagingHold(position: position, group: group, operation: nil, block: block)
  }

  /// Pins the end of the ready prefix, where the budget allows. Leaf-first eviction then spares all
  /// that is before it, so the prefix is still there when the rest arrives.
  private mutating func holdAnchor(
    _ walk: Walk, _ readyCount: Int, _ holds: inout [StagingHold], before index: Int
  ) throws(PoolError) {
    let position = walk.firstPosition + readyCount - 1
    var place = holds[..<index].firstIndex { $0.position == position } ?? index
    for group in walk.groups.indices {
      let classID = walk.groups[group].classID
      if place < holds.count && holds[place].isAt(position, group) {
        place += 1
        continue
      }
      let block = requests[walk.entry].promise.lastBlock(of: group, walk.groups)
      guard let hold = try hold(block, classID, of: walk.entry, at: position, group) else {
        continue
      }
      holds.insert(hold, at: place)
      place += 1
    }
  }

  /// Whether one more claim may be made, on a block that nobody has staged yet when `isNew`.
  private mutating func hasStagingRoom(_ entry: Int, _ classID: ClassID, isNew: Bool) -> Bool {
    let limit = stagingHoldLimit(classID, for: entry)
    let hasRoom = !isNew || pools[.host, classID].stagedBlockCount < limit
    if hasRoom && stagingClaimCount < limits.stagingClaimLimit { return true }
    if bugs.contains(.stageUnbounded) { return true }
    counters.stagingRefused += 1
    return false
  }

  /// Blocks of a class that may be staged at a time, by all, when one more is for this request.
  ///
  /// The request that waits longest may use half of what the others have to leave: a prompt longer
  /// than their share would otherwise never be found whole, and only one at a time waits longest.
  func stagingHoldLimit(_ classID: ClassID, for entry: Int) -> Int {
    let share = stagingShare(classID)
    guard limits.stagingHoldLimit == nil, staging.first ?? entry == entry else { return share }
    return share + (pools[.host, classID].pool.counts.usable - share) / 2
  }

  /// What everybody may stage of a class: half of the host's slots unless set otherwise.
  func stagingShare(_ classID: ClassID) -> Int {
    limits.stagingHoldLimit ?? (pools[.host, classID].pool.counts.usable + 1) / 2
  }

  /// Starts to read a known block from disk into a new host block.
  mutating func beginRead(
    _ record: BlockRecord, _ classID: ClassID, _ payer: TenantID, _ now: Time
  ) throws(PoolError) -> OperationID? {
    guard let source = pools[.disk, classID].pool.block(for: record.indexKey) else { return nil }
    guard hasRoom(for: .read) else {
      counters.readsRefused += 1
      return nil
    }
    guard let target = allocate(.host, classID, partCount: 1, for: payer) else {
      return nil
    }
    if !bugs.contains(.unpinnedRead) { try pools[.disk, classID].pool.pin(source) }
    let operation = try begin(
      Operation(
        kind: .read, record: record, classID: classID, source: source, target: target,
        deadline: now + limits.transferNanoseconds, outstandingParts: 1, payer: payer), now)
    effects.append(
      .read(
        operation, record, from: BlockRef(tier: .disk, classID: classID, block: source),
        to: BlockRef(tier: .host, classID: classID, block: target)))
    return operation
  }
}
