/// What an engine knows of the object store below its disk (G4), which it shares with others.
///
/// Nobody can say for sure what is there: others write to it and delete from it. The book holds
/// what this engine has put or was told of; it may be wrong, which costs a transfer in vain and
/// never a byte, for what is got is verified like what is read from disk.
struct ObjectBook {
  /// What is believed of keys.
  var memory: KeyMemory
  /// Keys that were asked for and not answered, with the operation that asks.
  var asked: [BlockKey: OperationID] = [:]
  /// Whether the store answers.
  var breaker: Breaker
  /// What the store did not answer last, to be asked for when nobody wants anything of it.
  var unanswered: BlockRecord?
  /// Host blocks that wait to be put.
  var puts: WriteQueue

  init(_ limits: Limits, _ bugs: PlantedBugs) {
    let isEndless = bugs.contains(.rememberAll)
    memory = KeyMemory(capacity: isEndless ? .max : limits.objectKeyLimit)
    breaker = Breaker(
      failureLimit: limits.objectFailureLimit,
      firstNanoseconds: limits.objectPauseNanoseconds)
    puts = WriteQueue(capacity: bugs.contains(.putUnbounded) ? .max : limits.putQueueLimit)
  }
}

/// From where a block that is not in host memory can be had.
enum Source {
  case disk
  case object
}

extension BlockEngine {
  /// Whether there is an object store that does not answer at present, so that it is as if it were
  /// not there.
  public var isObjectStoreShut: Bool { objects?.breaker.isShut ?? false }

  /// Blocks that wait to be put into the object store.
  public var waitingPutCount: Int { objects?.puts.count ?? 0 }

  /// The same, with those that are on their way; and the disk's.
  public var pendingPutCount: Int { waitingPutCount + operationCounts[.put] }
  public var pendingDiskWriteCount: Int { writeQueue.count + operationCounts[.write] }

  /// Where a block is known to be below host memory: the disk before the object store.
  func source(of name: BlockKey, _ classID: ClassID) -> Source? {
    if pools[.disk, classID].pool.contains(name) { return .disk }
    return isStoredAsObject(name) ? .object : nil
  }

  /// Whether an object is believed to be there, and can be asked for.
  func isStoredAsObject(_ name: BlockKey) -> Bool {
    objects != nil && !objects!.breaker.isShut && objects!.memory.isStored(name)
  }

  /// Starts to fetch a known block into a new host block, from the nearest place.
  mutating func beginFetch(
    _ record: BlockRecord, _ classID: ClassID, _ payer: TenantID, _ now: Time
  ) throws(PoolError) -> OperationID? {
    switch source(of: record.indexKey, classID) {
    case .disk: try beginRead(record, classID, payer, now)
    case .object: try beginGet(record, classID, payer, now)
    case nil: nil
    }
  }

  /// Starts to get an object into a new host block.
  mutating func beginGet(
    _ record: BlockRecord, _ classID: ClassID, _ payer: TenantID, _ now: Time
  ) throws(PoolError) -> OperationID? {
    guard hasRoom(for: .get) else {
      counters.getsRefused += 1
      return nil
    }
    guard let target = allocate(.host, classID, partCount: 1, for: payer) else {
      return nil
    }
    let operation = try begin(
      Operation(
        kind: .get, record: record, classID: classID, source: .none, target: target,
        deadline: now + limits.objectNanoseconds, outstandingParts: 1, payer: payer), now)
    effects.append(
      .get(operation, record, to: BlockRef(tier: .host, classID: classID, block: target)))
    return operation
  }

  // MARK: Outcomes

  /// The store says that it does not have what was asked for: an answer like any other.
  mutating func noteMissing(_ id: OperationID, _ operation: Operation, part: Int, _ now: Time) {
    switch operation.kind {
    case .get:
      operations[id]!.hasFailed = !bugs.contains(.missingIsThere)
      if !bugs.contains(.keepMissing) { noteAbsent(operation.record.indexKey, now) }
      counters.objectsMissing += 1
    case .look:
      guard operation.keys.indices.contains(part) else { return }
      noteAbsent(operation.keys[part], now)
    case .store, .read, .write, .load, .put:
      operations[id]!.hasFailed = true
      operations[id]!.isUnanswered = true
    }
  }

  /// A key is not there, or what is there is not what it should be; it is not asked for again for
  /// a while, but may be put.
  mutating func noteAbsent(_ name: BlockKey, _ now: Time) {
    objects?.memory.noteAbsent(name, until: (now + limits.absentNanoseconds).nanoseconds)
  }

  mutating func noteStored(_ name: BlockKey) { objects?.memory.noteStored(name) }

  /// All parts of an operation on the object store are reported, or it is late.
  mutating func noteAnswer(_ id: OperationID, _ operation: Operation, _ now: Time) {
    guard operation.kind.isOnObjects else { return }
    let wasShut = isObjectStoreShut
    if operation.isUnanswered {
      objects?.breaker.failed(id, now.nanoseconds)
      objects?.unanswered = operation.record
    } else {
      objects?.breaker.answered(id)
    }
    if isObjectStoreShut && !wasShut { counters.objectStoreShuts += 1 }
  }
}
