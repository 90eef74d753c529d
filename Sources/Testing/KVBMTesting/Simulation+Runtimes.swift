import BlockEngine

/// What inference engines do.
extension Simulation {
  private mutating func anyEngine() -> Runtime {
    if attached.count < 3 {
      engineCount += 1
      attached.append(
        Runtime(id: EngineID(engineCount), namespace: models[random.below(models.count)]))
    }
    return attached[random.below(attached.count)]
  }

  /// New inference engines use few namespaces, so that their prompts meet.
  mutating func chooseModels() {
    models = (0..<2).map { _ in [0, 0, 1, 2, 3, 4][random.below(6)] }
  }

  mutating func anyRequest() -> RequestID {
    // More than the engine admits, so that it has to refuse.
    if live.count < limits.requestLimit + 1 && (live.isEmpty || random.oneIn(3)) {
      let runtime = anyEngine()
      let id = begin(runtime, lengthMax: Truth.lengthMax)
      return id
    }
    return live[random.below(live.count)]
  }

  /// A new request, with a random prompt of its engine's namespace.
  mutating func begin(_ runtime: Runtime, lengthMax: Int) -> RequestID {
    requestCount += 1
    let id = RequestID(engine: runtime.id, number: requestCount)
    live.append(id)
    let root = Truth.root(ofNamespace: bug == .sharedRoot ? 0 : runtime.namespace)
    let keys = Truth.prompt(
      after: root, isNarrow: Self.hasWindow(runtime.namespace), lengthMax: lengthMax, &random)
    prompts[id] = Prompt(
      namespace: runtime.namespace, root: root, keys: keys, failedReadCount: failedReadCount,
      tail: tail(after: keys, runtime.namespace))
    choosePayer(id)
    return id
  }

  mutating func ask() {
    let id = random.oneIn(4) ? (anyTold() ?? anyRequest()) : anyRequest()
    guard let prompt = prompts[id] else { return }
    // The device may have the beginning already.
    let first = random.oneIn(4) ? random.below(prompt.keys.count) : 0
    // It may have fewer blocks than before, when its output was cut.
    let rest = prompt.keys.count - first
    let keys = prompt.keys[first...].prefix(random.oneIn(8) ? 1 + random.below(rest) : rest)
    let refusedCount = engine.counters.requestsRefused
    let tail = keys.count == rest && !random.oneIn(4) ? prompt.tail : nil
    var names = Array(keys)
    if tail != nil, let name = prompt.tailName, isLeased(name) { names.append(name) }
    let before = weighing(prompt, id, first, names)
    let holdings = holdings()
    let match = ask(id, Array(keys), tail, first, prompt)
    checkShares(since: holdings)
    checkPayer(id, since: holdings)
    tell(
      "\(id.words) asks for \(names.count) blocks from \(first) on: "
        + "\(match.readyCount) ready, \(match.pendingCount) pending")
    fold(9, UInt64(match.readyCount * 16 + match.pendingCount))
    tally.promisedBlocks += match.readyCount
    tally.pendingBlocks += match.pendingCount
    checkMatch(match, id, names.count)
    let isRefused = engine.counters.requestsRefused > refusedCount
    if !isRefused {
      checkPrefix(match, id, names)
      checkChoice(match, id, before)
    }
    if match.readyCount > keys.count { tally.promisedTails += 1 }
    guard match.readyCount > 0, random.oneIn(2) else { return }
    take(match, id, first)
  }

  private mutating func ask(
    _ id: RequestID, _ keys: [BlockKey], _ tail: Tail?, _ first: Int, _ prompt: Prompt
  ) -> Match {
    let namespace = NamespaceID(UInt16(prompt.namespace))
    guard let tail else {
      return engine.match(
        id, in: namespace, keys: keys, firstPosition: first, parentKey: prompt.parentKeys[first],
        now: time)
    }
    return engine.match(
      id, in: namespace, keys: keys, tail: tail, firstPosition: first,
      parentKey: prompt.parentKeys[first], now: time)
  }

  /// Takes a promise up, or part of it where that can be had.
  private mutating func take(_ match: Match, _ id: RequestID, _ first: Int) {
    guard let prompt = prompts[id] else { return }
    var count = random.oneIn(3) ? 1 + random.below(match.readyCount) : match.readyCount
    if count < match.readyCount && Self.hasWindow(prompt.namespace) {
      let leasedCount = engine.leasedBlockCount(of: id.engine)
      let operation = engine.commit(id, count: count, now: time)
      check(operation == nil, "less was granted than was promised, with what windows?")
      check(engine.leasedBlockCount(of: id.engine) == leasedCount, "a refusal changed something")
      count = match.readyCount
    }
    guard let operation = engine.commit(id, count: count, now: time) else {
      return check(false, "a promise was not kept")
    }
    check(loads[operation] == nil, "two loads under one name")
    check(!loads.values.contains { $0.request == id }, "one request loads twice at a time")
    tell("\(operation.words): \(id.words) takes up \(count)")
    loads[operation] = Load(request: id, firstPosition: first, count: count)
    noteClaims(id, prompt, Self.namespaces[prompt.namespace].map { _ in first }, first + count)
    prompts[id]?.pendingSince = nil
    trials.remove(id)
  }

  private mutating func checkMatch(_ match: Match, _ id: RequestID, _ askedCount: Int) {
    guard let prompt = prompts[id] else { return }
    check(match.readyCount == 0 || !refused.contains(id), "a failed key was offered again")
    check(match.readyCount + match.pendingCount <= askedCount, "more than was asked for")
    guard match.pendingCount > 0 else { return }
    let now = time.nanoseconds
    let since = prompt.pendingSince ?? now
    prompts[id]?.pendingSince = since
    check(now <= since + limits.stagingNanoseconds, "a request waits beyond its deadline")
  }

  mutating func store() {
    let id = anyRequest()
    guard let prompt = prompts[id] else { return }
    let first = random.oneIn(2) ? 0 : random.below(prompt.keys.count)
    let end = first + 1 + random.below(prompt.keys.count - first)
    // Of windowed groups it may have given up the first ones, or all.
    let isLate = random.oneIn(3)
    let firstOffered = Self.namespaces[prompt.namespace].map { place in
      place.windowBlocks != nil && isLate ? random.below(end - first + 2) : 0
    }
    let lackCount = self.lackCount
    let before = standing()
    let answer = offer(id, prompt, first..<end, firstOffered)
    tell(
      "\(id.words) offers blocks \(first)..<\(end): \(answer.coveredCount) covered, "
        + "\(answer.offloadCount) taken")
    fold(10, UInt64(answer.coveredCount * 16 + answer.offloadCount))
    checkStores(answer, prompt, first..<end, firstOffered)
    checkEvictions(since: before)
    checkGranted(id, prompt, first..<first + answer.coveredCount, firstOffered)
    let isLacking = self.lackCount > lackCount
    check(answer.coveredCount == end - first || isLacking, "a store stopped for no reason")
  }

  /// Blocks that found no room.
  private var lackCount: Int {
    engine.counters.storesRefused + engine.counters.hostExhausted + engine.counters.hostOverShare
  }

  mutating func cancel() {
    guard !live.isEmpty else { return }
    cancel(live.remove(at: random.below(live.count)))
  }

  /// Forgets a request that is not live any more.
  mutating func cancel(_ id: RequestID) {
    noteReturn(of: id)
    prompts[id] = nil
    said[id] = nil
    ledger.payers[id] = nil
    tell("\(id.words) is cancelled")
    engine.cancel(id)
  }

  mutating func endStep() {
    guard !attached.isEmpty else { return }
    let runtime = attached[random.below(attached.count)]
    tell("engine \(runtime.id.rawValue) ends its step")
    engine.endStep(runtime.id)
    check(engine.leasedBlockCount(of: runtime.id) == 0, "a promise outlives its step")
  }
}
