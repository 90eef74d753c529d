extension BlockEngine {
  mutating func takeMatch(
    _ id: RequestID, _ namespace: NamespaceID, _ keys: Span<BlockKey>, _ firstPosition: Int,
    _ parentKey: BlockKey, _ now: Time
  ) throws(PoolError) -> Match {
    counters.matches += 1
    refusal = nil
    advance(to: now)
    guard let keyCount = accept(namespace, keys.count, firstPosition) else { return .none }
    guard let entry = try admit(id, namespace) else {
      counters.requestsRefused += 1
      return .none
    }
    guard requests[entry].load == nil else { return .none }
    if !expectations.isEmpty || !tails.isEmpty { try endExpectations(now) }
    let room = max(0, requests[entry].offerLimit - firstPosition)
    let walk = Walk(
      entry: entry, groups: namespaces[Int(namespace.rawValue)], namespace: namespace,
      firstPosition: firstPosition, parentKey: parentKey, payer: tenants.payer(of: id),
      offeredCount: min(keyCount, room))
    var readyCount = try hold(walk, keys, now)
    let foundCount = readyCount
    noteFound(walk, keys, foundCount)
    var pendingCount = try stage(walk, keys, readyCount, now)
    pendingCount += try look(walk, keys, readyCount, pendingCount, now)
    if pendingCount == 0 { judge(requests[entry].use, walk, keys, from: foundCount) }
    if pendingCount == 0 && isSlower(walk, readyCount, now) {
      if !bugs.contains(.cutWindow) || readyCount == 1 { try letGo(entry) }
      readyCount = bugs.contains(.cutWindow) ? readyCount / 2 : 0
    }
    counters.readyBlocks += readyCount
    counters.pendingBlocks += pendingCount
    return Match(readyCount: readyCount, pendingCount: pendingCount)
  }

  /// How many keys are looked at; nil, and counted, for a call that names what there is not.
  mutating func accept(
    _ namespace: NamespaceID, _ keyCount: Int, _ firstPosition: Int
  ) -> Int? {
    guard Int(namespace.rawValue) < namespaces.count,
      !namespaces[Int(namespace.rawValue)].isEmpty,
      (0...Int(Int32.max) - limits.keyLimit).contains(firstPosition)
    else {
      counters.invalidCalls += 1
      return nil
    }
    if keyCount > limits.keyLimit { counters.keysCut += 1 }
    return min(keyCount, limits.keyLimit)
  }

  /// The entry of a request that is known, or could be made so. In another namespace than before
  /// it begins anew, unless it is loading.
  mutating func admit(_ id: RequestID, _ namespace: NamespaceID) throws(PoolError) -> Int? {
    guard let entry = requests.entry(of: id) else {
      guard requests.hasRoom else { return nil }
      let use = uses.insert(RequestUse(namespace: namespace, payer: tenants.payer(of: id)))
      return requests.insert(Request(id: id, namespace: namespace, use: use))
    }
    guard !requests[entry].isCancelled else { return nil }
    guard requests[entry].namespace != namespace, requests[entry].load == nil else { return entry }
    try letGo(entry)
    requests[entry].namespace = namespace
    let use = exchange(
      &requests[entry].use,
      with: uses.insert(RequestUse(namespace: namespace, payer: tenants.payer(of: id))))
    try close(use)
    return entry
  }

  /// What the device has, and what is ready, is used by the request.
  private mutating func noteFound(_ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int) {
    let use = requests[walk.entry].use
    if readyCount > 0 {
      uses[use].note(
        keys[readyCount - 1], at: walk.firstPosition + readyCount - 1, wasThere: true)
    } else if walk.firstPosition > 0 {
      uses[use].note(walk.parentKey, at: walk.firstPosition - 1, wasThere: true)
    }
  }

  /// Pins what is ready for the request; what it held before is given back.
  private mutating func hold(
    _ walk: Walk, _ keys: Span<BlockKey>, _ now: Time
  ) throws(PoolError) -> Int {
    let promise = findReady(walk, keys)
    try forEachRow(of: promise, walk.groups) { (pool, ids) throws(PoolError) in
      try pool.pin(ids)
    }
    // Only now: the pins of before must not lapse while new ones are taken.
    try release(heldBy: walk.entry)
    guard promise.count > 0 else { return 0 }
    requests[walk.entry].promise = promise
    requests[walk.entry].leaseEnd = now + limits.leaseNanoseconds
    if !requests[walk.entry].isLeased {
      requests[walk.entry].isLeased = true
      leased.append(walk.entry)
    }
    return promise.count
  }

  /// The longest prefix that has what each group needs ready, and these blocks.
  private func findReady(_ walk: Walk, _ keys: Span<BlockKey>) -> Promise {
    var blocks: [BlockID] = []
    let count = findPrefix(walk, keys, &blocks)
    guard count > 0 && walk.groups.hasWindow else {
      return Promise(first: walk.firstPosition, count: count, blocks: blocks)
    }
    return narrow(walk, keys, fullCount: count, fullRows: blocks)
  }

  /// The positions that all full groups have ready, and their blocks, `[full group][position]`.
  private func findPrefix(
    _ walk: Walk, _ keys: Span<BlockKey>, _ blocks: inout [BlockID]
  ) -> Int {
    var readyCount = walk.offeredCount
    var rowCount = 0
    for (group, place) in walk.groups.enumerated()
    where readyCount > 0 && place.windowBlocks == nil {
      defer { rowCount += 1 }
      var found = [BlockID](repeating: .none, count: readyCount)
      var ids = found.mutableSpan
      let count: Int
      if group == 0 {
        count = pools[.host, place.classID].pool.findPrefix(keys, into: &ids)
      } else {
        let names = (0..<readyCount).map { keys[$0].inGroup(group) }
        count = pools[.host, place.classID].pool.findPrefix(names.span, into: &ids)
        if bugs.contains(.forgetGroup) && rowCount > 0 {
          for position in count..<readyCount { found[position] = blocks[position] }
          blocks += found
          continue
        }
      }
      found.removeLast(readyCount - count)
      if count < readyCount {
        // The groups before have too many: keep the first `count` of each.
        let rows = blocks
        blocks.removeAll(keepingCapacity: true)
        for row in 0..<rowCount { blocks += rows[(row * readyCount)..<(row * readyCount + count)] }
        readyCount = count
      }
      blocks += found
    }
    return readyCount
  }

  /// Calls `body` for each group with its pool and its blocks of a promise.
  func forEachRow(
    of promise: Promise, _ groups: [GroupPlace],
    _ body: (inout BlockPool<TierPolicy>, Span<BlockID>) throws(PoolError) -> Void
  ) throws(PoolError) {
    guard promise.count > 0 else { return }
    let ids = promise.blocks.span
    for (group, row) in promise.rows(groups).enumerated() {
      try body(&pools[.host, groups[group].classID].pool, ids.extracting(row))
    }
  }

  // MARK: Leases and ends

  /// Gives back the pins of a request's ready prefix.
  mutating func release(heldBy entry: Int) throws(PoolError) {
    let promise = exchange(&requests[entry].promise, with: Promise())
    guard !promise.isEmpty else { return }
    let groups = namespaces[Int(requests[entry].namespace.rawValue)]
    try forEachRow(of: promise, groups) { (pool, ids) throws(PoolError) in
      try pool.unpin(ids)
    }
  }

  /// The leases that `isOver` chooses end; those of loads have ended already.
  mutating func endLeases(_ isOver: (Request) -> Bool) throws(PoolError) {
    var kept: [Int] = []
    for entry in leased {
      if requests[entry].load == nil && !requests[entry].promise.isEmpty {
        guard isOver(requests[entry]), !bugs.contains(.keepLease) else {
          kept.append(entry)
          continue
        }
        counters.leasesLapsed += 1
        try release(heldBy: entry)
      }
      requests[entry].isLeased = false
    }
    leased = kept
  }

  /// The request keeps nothing: neither promise nor staging.
  private mutating func letGo(_ entry: Int) throws(PoolError) {
    try dropStaging(of: entry)
    try release(heldBy: entry)
  }

  /// Cancels a request.
  mutating func drop(_ entry: Int) throws(PoolError) {
    try dropStaging(of: entry)
    if requests[entry].load != nil && !bugs.contains(.abandonLoad) {
      requests[entry].isCancelled = true
      return
    }
    if !bugs.contains(.leakOnCancel) { try release(heldBy: entry) }
    try forget(entry)
  }

  /// The request is as if it had never asked, but for what it has used.
  mutating func forget(_ entry: Int) throws(PoolError) {
    if requests[entry].isLeased { leased.removeAll { $0 == entry } }
    if requests[entry].isStaging { staging.removeAll { $0 == entry } }
    let use = requests[entry].use
    requests.remove(entry)
    try close(use)
  }
}

/// What one `match` looks at.
struct Walk {
  let entry: Int
  let groups: [GroupPlace]
  let namespace: NamespaceID
  let firstPosition: Int
  let parentKey: BlockKey
  /// Who pays for what it brings into host memory.
  let payer: TenantID
  var offeredCount: Int

  /// The record of the block at an index of the call's keys.
  func record(_ keys: Span<BlockKey>, _ index: Int, _ group: Int) -> BlockRecord {
    BlockRecord(
      key: keys[index], parentKey: index == 0 ? parentKey : keys[index - 1],
      position: UInt32(firstPosition + index), group: UInt8(group), namespace: namespace)
  }
}
