extension BlockEngine {
  mutating func beginStores(
    _ id: RequestID, _ namespace: NamespaceID, _ keys: Span<BlockKey>, _ firstPosition: Int,
    _ parentKey: BlockKey, _ firstOffered: [Int], _ now: Time
  ) throws(PoolError) -> StoreAnswer {
    guard let keyCount = accept(namespace, keys.count, firstPosition) else { return .none }
    var answer = StoreAnswer.none
    let walk = Walk(
      entry: -1, groups: namespaces[Int(namespace.rawValue)], namespace: namespace,
      firstPosition: firstPosition, parentKey: parentKey, offeredCount: keyCount)
    guard isValid(firstOffered, walk.groups) else {
      counters.invalidCalls += 1
      return .none
    }
    for index in 0..<keyCount {
      for group in walk.groups.indices {
        let isDropped = !firstOffered.isEmpty && index < firstOffered[group]
        if isDropped && bugs.contains(.stopAtDropped) { return answer }
        if isDropped && !bugs.contains(.storeDropped) { continue }
        let record = walk.record(keys, index, group)
        guard let isNew = try beginStore(id, record, walk.groups[group], now) else {
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

  /// Takes one block in, where it is absent and wanted.
  ///
  /// - Returns: Whether it is taken in; nil when it cannot be had.
  private mutating func beginStore(
    _ id: RequestID, _ record: BlockRecord, _ place: GroupPlace, _ now: Time
  ) throws(PoolError) -> Bool? {
    let name = record.indexKey
    guard name != .none else {
      counters.invalidCalls += 1
      return false
    }
    if let block = pools[.host, place.classID].pool.block(for: name) {
      counters.storesPresent += 1
      try pools[.host, place.classID].pool.touch(block)
      try considerWrite(place.classID, block, now)
      return false
    }
    if arriving[Place(classID: place.classID, key: name)] != nil {
      counters.storesPresent += 1
      return false
    }
    guard hostAdmission.admits(name) else {
      counters.storesNotAdmitted += 1
      return false
    }
    guard hasRoom(for: .store) else {
      counters.storesRefused += 1
      return nil
    }
    guard let target = allocate(.host, place.classID, partCount: place.partCount) else {
      return nil
    }
    let operation = try begin(
      Operation(
        kind: .store, record: record, classID: place.classID, source: .none, target: target,
        deadline: now + limits.storeNanoseconds,
        outstandingParts: ~0 >> UInt32(32 - place.partCount), owner: id.engine), now)
    effects.append(
      .offload(
        operation, id, position: Int(record.position), group: Int(record.group),
        to: BlockRef(tier: .host, classID: place.classID, block: target)))
    return true
  }

  // MARK: Behind a store

  /// Sends a ready block to disk, now or when its turn comes, unless the disk has it or does not
  /// want it.
  mutating func considerWrite(
    _ classID: ClassID, _ block: BlockID, _ now: Time
  ) throws(PoolError) {
    guard pools[.disk, classID].pool.capacity > 0,
      !pools[.host, classID].notes[block.slot].isWriteQueued
    else { return }
    guard pools[.disk, classID].pool.counts.usable > 0 else {
      counters.diskExhausted += 1
      return
    }
    if bugs.contains(.giveUpDisk) && counters.writesFailed > 0 { return }
    let name = pools[.host, classID].records[block.slot].indexKey
    guard isAbsentFromDisk(classID, name) else { return }
    guard diskAdmission.admits(name) else {
      counters.writesNotAdmitted += 1
      return
    }
    guard writeQueue.push(WriteQueue.Entry(classID: classID, block: block)) else {
      counters.writesDropped += 1
      return
    }
    pools[.host, classID].notes[block.slot].isWriteQueued = true
    try beginWrites(now)
  }

  /// Begins the writes that wait, as far as the limit allows.
  mutating func beginWrites(_ now: Time) throws(PoolError) {
    while hasRoom(for: .write), let entry = writeQueue.pop() {
      try beginWrite(entry, now)
    }
  }

  private func isAbsentFromDisk(_ classID: ClassID, _ name: BlockKey) -> Bool {
    !pools[.disk, classID].pool.contains(name)
      && arrivingOnDisk[Place(classID: classID, key: name)] == nil
  }

  private mutating func beginWrite(
    _ entry: WriteQueue.Entry, _ now: Time
  ) throws(PoolError) {
    let classID = entry.classID
    guard let name = pools[.host, classID].pool.key(of: entry.block) else {
      counters.writesLapsed += 1
      return
    }
    pools[.host, classID].notes[entry.block.slot].isWriteQueued = false
    guard isAbsentFromDisk(classID, name) else { return }
    guard let target = allocate(.disk, classID, partCount: 1) else {
      counters.writesDropped += 1
      return
    }
    try pools[.host, classID].pool.pin(entry.block)
    let record = pools[.host, classID].records[entry.block.slot]
    let operation = try begin(
      Operation(
        kind: .write, record: record, classID: classID, source: entry.block, target: target,
        deadline: now + limits.transferNanoseconds, outstandingParts: 1), now)
    effects.append(
      .write(
        operation, record, from: BlockRef(tier: .host, classID: classID, block: entry.block),
        to: BlockRef(tier: .disk, classID: classID, block: target)))
  }
}
