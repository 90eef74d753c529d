/// How far a prefix is worth loading.
///
/// Loading `k` positions takes a fixed time and one for their bytes, and, where some of them are on
/// disk, the time until those are in host memory. Computing them takes a time for each token and
/// one for each pair of tokens, so later positions cost more than earlier ones. What is gained by
/// loading the first `k` of the ready positions therefore grows ever faster, and is greatest for
/// all of them or for none: the ready part is never cut in two. What is to be staged is cut where
/// most is gained.
extension BlockEngine {
  // MARK: The ready part

  /// Whether a ready prefix, behind which nothing is waited for, is not worth its load.
  mutating func isSlower(_ walk: Walk, _ readyCount: Int, _ now: Time) -> Bool {
    guard readyCount > 0, limits.loadDecision == .measured, !requests[walk.entry].isTrial else {
      return false
    }
    let engine = requests[walk.entry].id.engine
    guard let compute = computeNanoseconds(walk, readyCount),
      let load = speeds[engine].host.nanoseconds(adding: byteCount(of: readyCount, walk.groups))
    else { return false }
    guard
      !speeds[engine].prefers(.host, positionCount: readyCount, load: load, compute: compute)
    else {
      speeds[engine].hostTrial.reset()
      return false
    }
    let path = speeds[engine].host
    let isDue = speeds[engine].hostTrial.isDue(now: now.nanoseconds, path)
    if isDue && !bugs.contains(.neverTry) {
      // Until it has loaded or is over: it may be asked for again before it is taken up.
      requests[walk.entry].isTrial = true
      speeds[engine].host.doubt()
      counters.hostTrials += 1
      return false
    }
    counters.positionsFasterThanHost += readyCount
    refusal = LoadRefusal(
      tier: .host, positionCount: readyCount, loadNanoseconds: UInt64(load),
      computeNanoseconds: UInt64(compute))
    return true
  }

  /// What computing the first `count` positions of a walk costs; nil while that is not known.
  func computeNanoseconds(_ walk: Walk, _ count: Int) -> Double? {
    speeds[requests[walk.entry].id.engine].computeNanoseconds(
      of: count, behind: walk.firstPosition)
  }

  /// Bytes that a load of the first `count` positions moves.
  func byteCount(of count: Int, _ groups: [GroupPlace]) -> Int {
    let counted = bugs.contains(.countOneGroup) ? groups.prefix(1) : groups[...]
    return counted.reduce(0) {
      $0 + $1.neededCount(of: count) * pools.slotBytes[Int($1.classID.rawValue)]
    }
  }

  // MARK: The part behind it

  /// What is weighed against each other for one walk.
  private struct Scales {
    let speed: EngineSpeed
    let disk: PathEstimate
    let object: PathEstimate
    /// Of loading the ready part alone, where that is worth it; 0 otherwise.
    let readyLoad: Double
    let readyCompute: Double
    /// Of the request's time to wait.
    let nanosecondsLeft: Double
  }

  /// The scales of a request; nil while too little is known to judge.
  private func scales(_ walk: Walk, _ readyCount: Int, _ now: Time) -> Scales? {
    guard limits.loadDecision == .measured, speeds.disk.isKnown || speeds.object.isKnown else {
      return nil
    }
    let speed = speeds[requests[walk.entry].id.engine]
    guard let compute = speed.computeNanoseconds(of: readyCount, behind: walk.firstPosition)
    else { return nil }
    // Of a way into the device that was never taken nothing is assumed.
    let bytes = byteCount(of: readyCount, walk.groups)
    let load = readyCount > 0 ? speed.host.nanoseconds(adding: bytes) ?? 0 : 0
    let deadline = requests[walk.entry].stagingDeadline ?? (now + limits.stagingNanoseconds)
    let left = deadline > now ? deadline.nanoseconds - now.nanoseconds : 0
    let isOfUse = load <= compute
    return Scales(
      speed: speed, disk: speeds.disk, object: speeds.object, readyLoad: isOfUse ? load : 0,
      readyCompute: isOfUse ? compute : 0, nanosecondsLeft: Double(left))
  }

  /// How many positions are worth being staged, from the first one on; at least `readyCount`, and
  /// no more than are offered. All groups must be full.
  mutating func worthStaging(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ now: Time
  ) throws(PoolError) -> Int {
    guard readyCount < walk.offeredCount, let scales = scales(walk, readyCount, now) else {
      return walk.offeredCount
    }
    var wait = StagingWait()
    var best: (count: Int, gain: Double, load: Double, compute: Double)?
    var last: (load: Double, compute: Double) = (0, 0)
    var knownCount = readyCount
    var need = StagingNeed(classCount: pools.classCount)
    while knownCount < walk.offeredCount, canCover(walk, keys, knownCount) {
      for group in walk.groups.indices {
        add(keys[knownCount], group, walk, to: &wait, now)
        count(keys[knownCount], group, walk, into: &need)
      }
      // What there is no room for is not waited for.
      if let lack = shortage(need, walk) {
        counters[keyPath: lack] += 1
        break
      }
      let waited = wait.nanoseconds(scales.disk, scales.object)
      // No request waits as long as that: the rest would come too late.
      if waited > scales.nanosecondsLeft { break }
      knownCount += 1
      last = extra(walk, scales, knownCount, waited)
      let gain = last.compute - last.load
      if gain > best?.gain ?? -.infinity {
        best = (knownCount, gain, last.load, last.compute)
      }
    }
    guard let best else {
      if wait.nanoseconds(scales.disk, scales.object) > scales.nanosecondsLeft {
        try passTooLate(walk, keys, readyCount, now)
      }
      return readyCount
    }
    let isWorthIt = isStagingPreferred(walk, best.count - readyCount, best.load, best.compute)
    guard isWorthIt else {
      try refuseStaging(walk, keys, readyCount..<knownCount, last, now)
      return readyCount
    }
    return best.count
  }

  /// Whether the prefix of `count` positions is worth being staged, all or nothing.
  mutating func isWorthStaging(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ count: Int, _ now: Time
  ) throws(PoolError) -> Bool {
    guard let scales = scales(walk, readyCount, now) else { return true }
    var wait = StagingWait()
    for (group, place) in walk.groups.enumerated() {
      for index in (count - place.neededCount(of: count))..<count {
        add(keys[index], group, walk, to: &wait, now)
      }
    }
    let waited = wait.nanoseconds(scales.disk, scales.object)
    guard waited <= scales.nanosecondsLeft else {
      try passTooLate(walk, keys, readyCount, now)
      return false
    }
    let (load, compute) = extra(walk, scales, count, waited)
    if isStagingPreferred(walk, count - readyCount, load, compute) { return true }
    try refuseStaging(walk, keys, readyCount..<count, (load, compute), now)
    return false
  }

  private mutating func isStagingPreferred(
    _ walk: Walk, _ count: Int, _ load: Double, _ compute: Double
  ) -> Bool {
    let engine = requests[walk.entry].id.engine
    let isPreferred = speeds[engine].prefers(
      .disk, positionCount: count, load: load, compute: compute)
    if isPreferred {
      speeds.diskTrial.reset()
      speeds.objectTrial.reset()
    }
    return isPreferred
  }

  /// What the prefix of `count` positions costs beyond what is gained by the ready part alone, and
  /// what computing that would.
  private func extra(
    _ walk: Walk, _ scales: Scales, _ count: Int, _ waited: Double
  ) -> (load: Double, compute: Double) {
    let bytes = byteCount(of: count, walk.groups)
    let load = waited + (scales.speed.host.nanoseconds(adding: bytes) ?? 0)
    let compute = scales.speed.computeNanoseconds(of: count, behind: walk.firstPosition) ?? 0
    return (load - scales.readyLoad, compute - scales.readyCompute)
  }

  /// Nothing of what is known would be there before the request waits no longer.
  private mutating func passTooLate(
    _ walk: Walk, _ keys: Span<BlockKey>, _ first: Int, _ now: Time
  ) throws(PoolError) {
    counters.stagingsTooLate += 1
    try tryWays(walk, keys, first, now)
  }

  private mutating func refuseStaging(
    _ walk: Walk, _ keys: Span<BlockKey>, _ refused: Range<Int>,
    _ cost: (load: Double, compute: Double), _ now: Time
  ) throws(PoolError) {
    counters.positionsFasterThanDisk += refused.count
    refusal = LoadRefusal(
      tier: .disk, positionCount: refused.count, loadNanoseconds: UInt64(max(0, cost.load)),
      computeNanoseconds: UInt64(max(0, cost.compute)))
    try tryWays(walk, keys, refused.lowerBound, now)
  }

  // MARK: Trials

  /// Fetches a few blocks from a disk or an object store that is too slow, now and then: nobody
  /// waits for them, and its speed is known again.
  private mutating func tryWays(
    _ walk: Walk, _ keys: Span<BlockKey>, _ first: Int, _ now: Time
  ) throws(PoolError) {
    let path = speeds.disk
    if speeds.diskTrial.isDue(now: now.nanoseconds, path), !bugs.contains(.neverTry) {
      counters.diskTrials += 1
      speeds.disk.doubt()
      try fetchFew(from: .disk, walk, keys, first, now)
    }
    if objects != nil, isTrialOfObjectsDue(now) {
      counters.objectTrials += 1
      speeds.object.doubt()
      try fetchFew(from: .object, walk, keys, first, now)
    }
  }

  /// Whether an object store that is too slow is to be tried.
  mutating func isTrialOfObjectsDue(_ now: Time) -> Bool {
    let path = speeds.object
    return speeds.objectTrial.isDue(now: now.nanoseconds, path)
  }

  private mutating func fetchFew(
    from source: Source, _ walk: Walk, _ keys: Span<BlockKey>, _ first: Int, _ now: Time
  ) throws(PoolError) {
    var count = 0
    for index in first..<walk.offeredCount where count < Self.trialBlockCount {
      for (group, place) in walk.groups.enumerated() where !isHere(keys[index], group, walk) {
        let record = walk.record(keys, index, group)
        guard self.source(of: record.indexKey, place.classID) == source else { continue }
        if try beginFetch(record, place.classID, walk.payer, now) != nil { count += 1 }
      }
      if index - first >= Self.trialBlockCount { break }
    }
  }

  private static let trialBlockCount = 4
}

/// What has to happen before some blocks are in host memory.
private struct StagingWait {
  /// Until the last one of those that are on their way arrives.
  var arrivals = 0.0
  /// Bytes that are still to be read from disk, and got from the object store.
  var readBytes = 0
  var getBytes = 0

  /// Both ways are gone at the same time; of one that was never gone nothing is assumed.
  func nanoseconds(_ disk: PathEstimate, _ object: PathEstimate) -> Double {
    let read = readBytes > 0 ? disk.nanoseconds(adding: readBytes) ?? 0 : 0
    let get = getBytes > 0 ? object.nanoseconds(adding: getBytes) ?? 0 : 0
    return max(arrivals, read, get)
  }
}

extension BlockEngine {
  /// Whether it would be worth it to have a prefix staged if the object store had all of it that
  /// is nowhere else.
  func isWorthAsking(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ count: Int, _ now: Time
  ) -> Bool {
    guard let scales = scales(walk, readyCount, now) else { return true }
    var wait = StagingWait()
    for (group, place) in walk.groups.enumerated() {
      for index in (count - place.neededCount(of: count))..<count {
        add(keys[index], group, walk, to: &wait, now)
      }
    }
    let waited = wait.nanoseconds(scales.disk, scales.object)
    let (load, compute) = extra(walk, scales, count, waited)
    return waited <= scales.nanosecondsLeft && load <= compute
  }

  /// The way by which an operation brings its block to host memory; nil for a store, whose time
  /// says nothing.
  private func path(of operation: Operation) -> PathEstimate? {
    switch operation.kind {
    case .read: speeds.disk
    case .get: speeds.object
    case .store, .write, .load, .put, .look: nil
    }
  }

  /// Adds what a block of a group needs; one that is known nowhere is taken to be an object.
  private func add(
    _ key: BlockKey, _ group: Int, _ walk: Walk, to wait: inout StagingWait, _ now: Time
  ) {
    let classID = walk.groups[group].classID
    let name = key.inGroup(group)
    if pools[.host, classID].pool.contains(name) { return }
    let place = Place(classID: classID, key: name)
    guard let arrival = arriving[place] else {
      let bytes = pools.slotBytes[Int(classID.rawValue)]
      // When an announced block comes only its producer knows, as with stores on their way.
      switch source(of: name, classID) {
      case .disk: wait.readBytes += bytes
      case .object: wait.getBytes += bytes
      case nil: if expectation(of: place, for: walk.entry) == nil { wait.getBytes += bytes }
      }
      return
    }
    guard let operation = operations[arrival], let path = path(of: operation),
      let expected = path.nanoseconds(ofQueue: operation.queuedBytes)
    else { return }
    // One that is late may be as late again: what it has cost beyond its time so far is the best
    // guess there is, and a disk that hangs costs no more than twice what was expected to be saved.
    let elapsed = Double(max(now, operation.begunAt).nanoseconds - operation.begunAt.nanoseconds)
    wait.arrivals = max(wait.arrivals, abs(expected - elapsed))
  }
}
