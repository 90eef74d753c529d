extension BlockEngine {
  /// What all parts of the engine should add up to, by class and tier.
  private struct Expected: Equatable {
    var pins = 0
    var filling = 0
    var quarantined = 0
    /// Blocks that somebody holds or waits for.
    var staged = 0
  }

  /// Throws when the engine contradicts itself or its pools: every pin has an owner, every filling
  /// and quarantined slot an operation, every hold a request, every bound is kept.
  ///
  /// - Complexity: O(capacity + operations + requests).
  public func checkInvariants() throws(BrokenInvariant) {
    if let fault { throw fault }
    var expected = [Expected](repeating: Expected(), count: 2 * pools.classCount)
    try checkRequests(&expected)
    try checkOperations(&expected)
    try checkUses()
    try checkExpectations(&expected)
    try require(prefetches.count <= limits.returnLimit, "too many conversations are to be back")
    try checkObjects()
    try checkTenants()
    for index in 0..<pools.classCount {
      expected[2 * index].pins += pinnedCount(ClassID(UInt8(index)))
    }
    for index in 0..<pools.classCount {
      let classID = ClassID(UInt8(index))
      for tier in Tier.allCases {
        let wanted = expected[2 * index + Int(tier.rawValue)]
        let pins = try pools[tier, classID].pool.checkInvariants()
        let counts = pools[tier, classID].pool.counts
        let seen = Expected(
          pins: pins, filling: counts.filling, quarantined: counts.quarantined,
          staged: pools[tier, classID].stagedBlockCount)
        try require(seen == wanted, "class \(index), \(tier): \(seen), and owners of \(wanted)")
      }
      try checkPins(classID)
      // Memory may have been retired under the holds that there are.
      let staged = expected[2 * index].staged
      try require(staged <= (limits.stagingHoldLimit ?? .max), "too many staged blocks")
    }
  }

  private func checkRequests(_ expected: inout [Expected]) throws(BrokenInvariant) {
    try require(requests.count <= limits.requestLimit, "too many requests")
    let live = requests.liveEntries
    try require(live.count == requests.count, "requests out of step")
    var claims = 0
    var holdCounts: [BlockRef: UInt32] = [:]
    for entry in live {
      let request = requests[entry]
      let groups = namespaces[Int(request.namespace.rawValue)]
      try require(requests.entry(of: request.id) == entry, "a request under another's name")
      let rows = request.promise.rows(groups)
      try require(
        request.promise.blocks.count == rows.last?.upperBound ?? 0, "a torn promise")
      try require(
        request.promise.isEmpty || request.load != nil || leased.contains(entry), "a lost lease")
      try require(request.holds.isEmpty || staging.contains(entry), "a lost staging")
      try require(
        request.load.map { operations[$0]?.request == entry } ?? true, "a load without a request")
      for (group, row) in rows.enumerated() {
        expected[2 * Int(groups[group].classID.rawValue)].pins += row.count
      }
      try checkPlaces(request.promise, groups)
      for (index, hold) in request.holds.enumerated() {
        let classID = groups[hold.group].classID
        let place = 2 * Int(classID.rawValue)
        claims += 1
        if let operation = hold.operation {
          let waiter = Waiter(request: entry, position: hold.position, group: hold.group)
          try require(operations[operation]?.waiters.contains(waiter) == true, "waits for nothing")
        } else if let expectation = hold.expectation {
          let waiter = Waiter(request: entry, position: hold.position, group: hold.group)
          try require(
            expectations.isLive(expectation) && expectations[expectation].waiters.contains(waiter),
            "waits for what nobody announced")
        } else {
          expected[place].pins += 1
          let ref = BlockRef(tier: .host, classID: classID, block: hold.block)
          if holdCounts.updateValue((holdCounts[ref] ?? 0) + 1, forKey: ref) == nil {
            expected[place].staged += 1
          }
        }
        let next = index + 1 < request.holds.count ? request.holds[index + 1] : nil
        try require(
          next.map { hold.isBefore(($0.position, $0.group)) } ?? true, "holds out of order")
      }
    }
    try require(claims == stagingClaimCount, "staging claims out of step")
    try require(claims <= limits.stagingClaimLimit, "too many staging claims")
    for (ref, count) in holdCounts {
      let noted = pools[.host, ref.classID].notes[ref.block.slot].holdCount
      try require(noted == count, "\(count) holds on \(ref), \(noted) noted")
    }
  }

  /// Each block of a promise is the group's, at the place that the promise has it for.
  private func checkPlaces(
    _ promise: Promise, _ groups: [GroupPlace]
  ) throws(BrokenInvariant) {
    for (group, row) in promise.rows(groups).enumerated() {
      for (index, block) in promise.blocks[row].enumerated() {
        let record = pools[.host, groups[group].classID].records[block.slot]
        let position = promise.first + promise.count - row.count + index
        try require(
          Int(record.group) == group && Int(record.position) == position,
          "\(record) promised for position \(position) of group \(group)")
      }
    }
  }

  private func checkOperations(_ expected: inout [Expected]) throws(BrokenInvariant) {
    var counts = OperationCounts()
    var (waiterCount, arrivals, diskArrivals) = (0, 0, 0)
    try operations.visit { (id, operation) throws(BrokenInvariant) in
      try require(operation.outstandingParts != 0, "an operation outlived its last part")
      counts[operation.kind] += 1
      guard operation.kind != .load else { return }
      let place = 2 * Int(operation.classID.rawValue)
      if operation.kind == .put { expected[place].pins += 1 }
      guard operation.kind.hasTarget else { return }
      waiterCount += operation.waiters.count
      let target = place + Int(operation.tier.rawValue)
      if !operation.waiters.isEmpty { expected[place].staged += 1 }
      if operation.hasTimedOut {
        expected[target].quarantined += 1
      } else {
        expected[target].filling += 1
        try require(operation.deadline >= nextDeadline, "a deadline that nobody looks at")
        let known = operation.tier == .host ? arriving : arrivingOnDisk
        try require(known[operation.place] == id, "one key arrives twice")
        if operation.tier == .host { arrivals += 1 } else { diskArrivals += 1 }
      }
      if operation.kind == .read { expected[place + 1].pins += 1 }
      if operation.kind == .write { expected[place].pins += 1 }
    }
    try require(counts == operationCounts, "operations out of step")
    try require(arriving.count == arrivals, "keys arrive that nobody brings")
    try require(arrivingOnDisk.count == diskArrivals, "keys arrive on disk that nobody brings")
    try require(counts[.store] <= limits.storeLimit, "too many stores")
    try require(counts[.read] <= limits.readLimit, "too many reads")
    try require(counts[.write] <= limits.writeLimit, "too many writes")
    try require(counts[.get] <= limits.getLimit, "too many gets")
    try require(counts[.put] <= limits.putLimit, "too many puts")
    try require(counts[.look] <= limits.lookLimit, "too many questions")
    try require(counts[.load] <= requests.count, "too many loads")
    try require(waiterCount <= stagingClaimCount, "more waiters than claims")
  }

  /// Each use belongs to one request, or is over and waits for what is under way.
  private func checkUses() throws(BrokenInvariant) {
    var pending: [Int: Int] = [:]
    operations.visit { _, operation in
      if let use = operation.use { pending[use, default: 0] += 1 }
    }
    writeQueue.visit { if let use = $0.use { pending[use, default: 0] += 1 } }
    var owned: Set<Int> = []
    for entry in requests.liveEntries {
      let use = requests[entry].use
      try require(
        uses.isLive(use) && uses[use].namespace == requests[entry].namespace,
        "a request without a use")
      try require(owned.insert(use).inserted && !uses[use].isOver, "two requests with one use")
    }
    for use in uses.liveEntries {
      let count = pending.removeValue(forKey: use) ?? 0
      try require(uses[use].pendingCount == count, "a use waits for what is not under way")
      try require(owned.contains(use) || uses[use].isOver && count > 0, "a use of nobody")
    }
    try require(pending.isEmpty, "something under way is part of no use")
  }

  /// What is announced is not there yet, and is waited for by requests that know of it.
  private func checkExpectations(_ expected: inout [Expected]) throws(BrokenInvariant) {
    try require(expectations.count <= limits.expectedLimit, "too many expected blocks")
    try require(tails.count <= limits.tailLimit, "too many tails")
    let live = expectations.liveEntries
    try require(live.count == expectations.count, "expectations out of step")
    for entry in live {
      let expectation = expectations[entry]
      let place = expectation.place
      try require(expectations.entry(at: place) == entry, "an expectation at another's place")
      try require(
        expectations.entries(of: expectation.producer).contains(entry), "a lost expectation")
      try require(expectation.until >= expectations.nextEnd, "a lease that nobody looks at")
      try require(
        !pools[.host, place.classID].pool.contains(place.key), "expected, and there already")
      guard !expectation.waiters.isEmpty else { continue }
      try require(arriving[place] == nil, "waits for an announcement of what is on its way")
      expected[2 * Int(place.classID.rawValue)].staged += 1
    }
  }

  /// Whether the slot's bytes may be read or written on behalf of this id; see `BlockPool.isHeld`.
  public func isHeld(_ ref: BlockRef) -> Bool {
    pools.contains(ref.classID) && pools[ref.tier, ref.classID].pool.isHeld(ref.block)
  }

  /// Whether a `match` could still find this very block in its tier.
  public func finds(_ ref: BlockRef) -> Bool {
    pools.contains(ref.classID) && pools[ref.tier, ref.classID].pool.key(of: ref.block) != nil
  }

  /// The record of a block that is held or registered in its tier; nil for a stale reference.
  public func record(of ref: BlockRef) -> BlockRecord? {
    isHeld(ref) || finds(ref) ? pools[ref.tier, ref.classID].records[ref.block.slot] : nil
  }

  /// Whether a group's block of that key is on its way into the host tier.
  public func isArriving(_ key: BlockKey, group: Int, _ classID: ClassID) -> Bool {
    arriving[Place(classID: classID, key: key.inGroup(group))] != nil
  }

  /// Blocks that an engine's requests were promised and did not commit; 0 after `endStep`.
  ///
  /// - Complexity: O(requests).
  public func leasedBlockCount(of engine: EngineID) -> Int {
    requests.liveEntries.reduce(0) { sum, entry in
      let isLeased = requests[entry].id.engine == engine && requests[entry].load == nil
      return sum + (isLeased ? requests[entry].promise.blocks.count : 0)
    }
  }

  /// Calls `body` for every block of a tier that is found by its key.
  ///
  /// - Complexity: O(capacity).
  public func forEachRegistered(
    _ tier: Tier, _ classID: ClassID, _ body: (BlockID, BlockRecord) -> Void
  ) {
    guard pools.contains(classID) else { return }
    pools[tier, classID].pool.forEachRegistered { block, _ in
      body(block, pools[tier, classID].records[block.slot])
    }
  }
}
