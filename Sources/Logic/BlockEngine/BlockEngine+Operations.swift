/// Slots are taken, and operations begin and end, through these.
extension BlockEngine {
  /// Takes one slot, for which a tenant pays; nil, and counted, when everything there is in use, or
  /// the tenant has its share.
  mutating func allocate(
    _ tier: Tier, _ classID: ClassID, partCount: Int, for tenant: TenantID
  ) -> BlockID? {
    if tenants.isDivided && !makeRoom(tier, classID, for: tenant) { return nil }
    var victims = takeEvictedBuffer()
    defer { evictedBuffer = victims }
    do throws(PoolError) {
      let block = try pools[tier, classID].pool.allocate(partCount: partCount, evicted: &victims)
      tell(removed: victims, tier, classID, .evicted)
      return block
    } catch {
      if tier == .host { counters.hostExhausted += 1 } else { counters.diskExhausted += 1 }
      return nil
    }
  }

  /// An empty buffer whose memory is used again and again; the caller puts it back.
  mutating func takeEvictedBuffer() -> [Evicted] {
    var buffer = exchange(&evictedBuffer, with: [])
    buffer.removeAll(keepingCapacity: true)
    return buffer
  }

  /// These blocks have left; their records are still those of then.
  mutating func tell(
    removed victims: [Evicted], _ tier: Tier, _ classID: ClassID, _ reason: RemovalReason
  ) {
    for victim in victims {
      effects.append(.removed(tier, pools[tier, classID].records[victim.block.slot], reason))
    }
    if tier == .host { counters.hostEvictions += victims.count }
    if tier == .disk { counters.diskEvictions += victims.count }
  }

  /// Whether another operation of that kind may begin.
  func hasRoom(for kind: Operation.Kind) -> Bool {
    switch kind {
    case .store: operationCounts[.store] < limits.storeLimit
    case .read: operationCounts[.read] < limits.readLimit
    case .write: operationCounts[.write] < limits.writeLimit || bugs.contains(.writeUnbounded)
    case .get: operationCounts[.get] < limits.getLimit
    case .put: operationCounts[.put] < limits.putLimit
    case .look: operationCounts[.look] < limits.lookLimit
    case .load: true
    }
  }

  /// Enters an operation. The caller has seen that there is room.
  mutating func begin(_ operation: Operation, _ now: Time) throws(PoolError) -> OperationID {
    var operation = operation
    operation.begunAt = now
    if operation.kind != .load {
      operation.byteCount = pools.slotBytes[Int(operation.classID.rawValue)]
    }
    guard let id = operations.insert(operation) else {
      throw .exhausted(wanted: 1, available: 0)
    }
    operations[id]!.queuedBytes = countIn(operation)
    operationCounts[operation.kind] += 1
    if operation.kind.isOnObjects { objects?.breaker.began(id) }
    guard operation.kind != .load else { return id }
    nextDeadline = min(nextDeadline, operation.deadline)
    guard operation.kind.hasTarget else { return id }
    pools[operation.tier, operation.classID].records[operation.target.slot] = operation.record
    noteArrival(operation)
    switch operation.tier {
    case .host:
      arriving[operation.place] = id
      if !expectations.isEmpty { redirectWaiters(of: operation.place, to: id) }
    case .disk: arrivingOnDisk[operation.place] = id
    }
    return id
  }

  /// Ends an operation and returns it.
  mutating func end(_ id: OperationID) -> Operation? {
    guard let operation = operations.remove(id) else { return nil }
    operationCounts[operation.kind] -= 1
    if operation.kind.hasTarget && !operation.hasTimedOut { noteArrivalEnd(operation) }
    forgetArrival(operation, id)
    return operation
  }

  /// The operation brings its block no more.
  mutating func forgetArrival(_ operation: Operation, _ id: OperationID) {
    guard operation.kind.hasTarget else { return }
    switch operation.tier {
    case .host: if arriving[operation.place] == id { arriving[operation.place] = nil }
    case .disk: if arrivingOnDisk[operation.place] == id { arrivingOnDisk[operation.place] = nil }
    }
  }
}

/// Puts a new value in a place and returns the one that was there.
func exchange<Value>(_ place: inout Value, with value: Value) -> Value {
  let previous = place
  place = value
  return previous
}
