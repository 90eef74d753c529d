import BlockEngine

/// Liveness: when nothing goes wrong any more, everything ends, and hits come back.
extension Simulation {
  /// More than this many tries would mean that something is in the way for good: what a failed read
  /// or a damaged copy had spoilt is given up at the first one.
  private static let tryLimit = 8

  /// From now on nothing goes wrong: a prompt that is stored is found in memory, whole, and after
  /// memory was lost on disk.
  mutating func recover() {
    quiesce()
    tell("nothing goes wrong from now on")
    let mishaps = plan.mishaps
    plan.mishaps = .none
    (slowBefore, fullBefore) = (0, 0)
    for index in extents.indices where !extents[index].isUsable { addExtent(index) }
    engineCount += 1
    let runtime = Runtime(id: EngineID(engineCount), namespace: models[0])
    // No longer than what may be staged for one request.
    let first = begin(runtime, lengthMax: 4)
    if let prompt = prompts[first] {
      forget(first)
      bringBack(prompt, runtime)
    }
    engine.detach(runtime.id, now: time)
    settle()
    tally.recoveries += 1
    plan.mishaps = mishaps
  }

  private mutating func bringBack(_ prompt: Prompt, _ runtime: Runtime) {
    var isBack = (host: false, disk: false)
    for _ in 0..<Self.tryLimit where !(isBack.host && isBack.disk) {
      store(prompt, runtime)
      isBack.host = load(prompt, runtime)
      for index in extents.indices where extents[index].tier == .host { retireExtent(index) }
      for index in extents.indices where !extents[index].isUsable { addExtent(index) }
      // A request may wait for as long as its deadline; another one goes on where it stopped.
      isBack.disk = false
      for _ in 0..<Self.tryLimit where !isBack.disk { isBack.disk = load(prompt, runtime) }
    }
    check(isBack.host, "nothing goes wrong any more, and what is stored is not found")
    check(isBack.disk, "nothing goes wrong any more, and what is on disk is not found")
  }

  /// Stores the prompt, and waits until all that this began has ended.
  private mutating func store(_ prompt: Prompt, _ runtime: Runtime) {
    let id = begin(prompt, runtime)
    for _ in 0..<100 {
      let answer = engine.prepareStore(
        id, in: NamespaceID(UInt16(prompt.namespace)), keys: prompt.keys, parentKey: prompt.root,
        now: time)
      let isDone = engine.operationCount == 0 && engine.pendingWriteCount == 0
      if answer.coveredCount == prompt.keys.count && isDone { break }
      pass()
    }
    forget(id)
  }

  /// Asks for the prompt until it is ready or nothing is pending, and loads what is ready.
  ///
  /// - Returns: Whether that was all of it, intact.
  private mutating func load(_ prompt: Prompt, _ runtime: Runtime) -> Bool {
    let id = begin(prompt, runtime)
    defer { forget(id) }
    var match = Match.none
    for _ in 0..<100 {
      match = engine.match(
        id, in: NamespaceID(UInt16(prompt.namespace)), keys: prompt.keys, parentKey: prompt.root,
        now: time)
      if match.pendingCount == 0 { break }
      pass()
    }
    guard match.readyCount > 0 else { return false }
    guard let operation = engine.commit(id, count: match.readyCount, now: time) else {
      check(false, "a promise was not kept")
      return false
    }
    loads[operation] = Load(request: id, firstPosition: 0, count: match.readyCount)
    for _ in 0..<100 where loads[operation] != nil { pass() }
    check(loads[operation] == nil, "a load never ended")
    return match.readyCount == prompt.keys.count && !refused.contains(id)
  }

  private mutating func begin(_ prompt: Prompt, _ runtime: Runtime) -> RequestID {
    requestCount += 1
    let id = RequestID(engine: runtime.id, number: requestCount)
    live.append(id)
    prompts[id] = prompt
    return id
  }

  private mutating func forget(_ id: RequestID) {
    settle()
    live.removeAll { $0 == id }
    cancel(id)
  }

  /// Time enough for a copy or two.
  private mutating func pass() {
    settle()
    now += 50
    runDrivers()
    engine.tick(time)
    settle()
  }
}
