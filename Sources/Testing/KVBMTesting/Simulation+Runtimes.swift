import BlockEngine

/// What inference engines do.
extension Simulation {
  private mutating func anyEngine() -> Runtime {
    if attached.count < 3 {
      engineCount += 1
      attached.append(Runtime(id: EngineID(engineCount), namespace: random.below(3) / 2))
    }
    return attached[random.below(attached.count)]
  }

  private mutating func anyRequest() -> RequestID {
    // More than the engine admits, so that it has to refuse.
    if live.count < limits.requestLimit + 1 && (live.isEmpty || random.oneIn(3)) {
      let runtime = anyEngine()
      requestCount += 1
      let id = RequestID(engine: runtime.id, number: requestCount)
      live.append(id)
      let keys = Truth.prompt(ofNamespace: runtime.namespace, &random)
      prompts[id] = Prompt(namespace: runtime.namespace, keys: keys)
      return id
    }
    return live[random.below(live.count)]
  }

  mutating func ask() {
    let id = anyRequest()
    guard let prompt = prompts[id] else { return }
    // The device may have the beginning already.
    let first = random.oneIn(4) ? random.below(prompt.keys.count) : 0
    // It may have fewer blocks than before, when its output was cut.
    let rest = prompt.keys.count - first
    let keys = prompt.keys[first...].prefix(random.oneIn(8) ? 1 + random.below(rest) : rest)
    let match = engine.match(
      id, in: NamespaceID(UInt16(prompt.namespace)), keys: Array(keys), firstPosition: first,
      parentKey: prompt.parentKeys[first], now: time)
    fold(9, UInt64(match.readyCount * 16 + match.pendingCount))
    tally.promisedBlocks += match.readyCount
    tally.pendingBlocks += match.pendingCount
    checkMatch(match, id, first)
    guard match.readyCount > 0, random.oneIn(2) else { return }
    let count = random.oneIn(3) ? 1 + random.below(match.readyCount) : match.readyCount
    guard let operation = engine.commit(id, count: count, now: time) else {
      return check(false, "a promise was not kept")
    }
    check(loads[operation] == nil, "two loads under one name")
    check(!loads.values.contains { $0.request == id }, "one request loads twice at a time")
    loads[operation] = Load(request: id, count: count)
    prompts[id]?.pendingSince = nil
  }

  private mutating func checkMatch(_ match: Match, _ id: RequestID, _ first: Int) {
    guard let prompt = prompts[id] else { return }
    check(match.readyCount == 0 || !refused.contains(id), "a failed key was offered again")
    check(
      match.readyCount + match.pendingCount <= prompt.keys.count - first,
      "more than was asked for")
    guard match.pendingCount > 0 else { return }
    let key = prompt.keys[min(first + match.readyCount, prompt.keys.count - 1)]
    let isComing = Self.namespaces[prompt.namespace].enumerated().contains {
      engine.isArriving(key, group: $0.offset, $0.element.classID)
    }
    check(isComing, "a request waits for a block that nobody brings")
    let since = prompt.pendingSince ?? now
    prompts[id]?.pendingSince = since
    check(now <= since + limits.stagingNanoseconds, "a request waits beyond its deadline")
  }

  mutating func store() {
    let id = anyRequest()
    guard let prompt = prompts[id] else { return }
    let first = random.below(prompt.keys.count)
    let end = first + 1 + random.below(prompt.keys.count - first)
    let answer = engine.prepareStore(
      id, in: NamespaceID(UInt16(prompt.namespace)), keys: Array(prompt.keys[first..<end]),
      firstPosition: first, parentKey: prompt.parentKeys[first], now: time)
    fold(10, UInt64(answer.coveredCount * 16 + answer.offloadCount))
    check(answer.coveredCount <= end - first, "more was stored than was given")
  }

  mutating func cancel() {
    guard !live.isEmpty else { return }
    let id = live.remove(at: random.below(live.count))
    prompts[id] = nil
    engine.cancel(id)
  }

  mutating func endStep() {
    guard !attached.isEmpty else { return }
    let runtime = attached[random.below(attached.count)]
    engine.endStep(runtime.id)
    check(engine.leasedBlockCount(of: runtime.id) == 0, "a promise outlives its step")
  }
}
