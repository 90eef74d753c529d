/// How blocks come into the object store: behind a store, beside the write to disk.
extension BlockEngine {
  /// Puts a ready block into the object store, now or when its turn comes, unless it is believed
  /// to be there.
  mutating func considerPut(
    _ classID: ClassID, _ block: BlockID, _ now: Time
  ) throws(PoolError) {
    guard objects != nil, !pools[.host, classID].notes[block.slot].isBeingPut else { return }
    let record = pools[.host, classID].records[block.slot]
    guard !isTail(record.key) || bugs.contains(.putTails),
      !objects!.memory.isStored(record.indexKey)
    else { return }
    let entry = WriteQueue.Entry(classID: classID, block: block, use: nil)
    guard objects!.puts.push(entry) else {
      counters.putsDropped += 1
      return
    }
    pools[.host, classID].notes[block.slot].isBeingPut = true
    try beginPuts(now)
  }

  /// Begins the puts that wait, as far as their limit and the store's state allow.
  mutating func beginPuts(_ now: Time) throws(PoolError) {
    while objects != nil, hasRoom(for: .put), mayAsk(now), let entry = objects!.puts.pop() {
      try beginPut(entry, now)
    }
  }

  /// Whether the object store may be asked for something.
  func mayAsk(_ now: Time) -> Bool {
    guard objects != nil else { return false }
    if bugs.contains(.neverReopen) && objects!.breaker.isShut { return false }
    return objects!.breaker.lets(now.nanoseconds) || bugs.contains(.ignoreBreaker)
  }

  private mutating func beginPut(
    _ entry: WriteQueue.Entry, _ now: Time
  ) throws(PoolError) {
    let classID = entry.classID
    guard let name = pools[.host, classID].pool.key(of: entry.block) else {
      counters.putsLapsed += 1
      return
    }
    // Somebody else has put it meanwhile, and was seen to.
    guard objects?.memory.isStored(name) == false else {
      pools[.host, classID].notes[entry.block.slot].isBeingPut = false
      return
    }
    if !bugs.contains(.putUnpinned) { try pools[.host, classID].pool.pin(entry.block) }
    let record = pools[.host, classID].records[entry.block.slot]
    let operation = try begin(
      Operation(
        kind: .put, record: record, classID: classID, source: entry.block, target: .none,
        deadline: now + limits.objectNanoseconds, outstandingParts: 1), now)
    effects.append(
      .put(operation, record, from: BlockRef(tier: .host, classID: classID, block: entry.block)))
  }

  /// A put has ended, in time or not: what was reported as done is there.
  mutating func finishPut(_ put: Operation) throws(PoolError) {
    pools[.host, put.classID].notes[put.source.slot].isBeingPut = false
    try unpinSource(of: put)
    if put.hasFailed {
      if !put.hasTimedOut { counters.putsFailed += 1 }
    } else {
      noteStored(put.record.indexKey)
      counters.blocksPut += 1
    }
  }
}
