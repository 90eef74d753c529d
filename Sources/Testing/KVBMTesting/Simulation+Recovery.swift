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
    (slowBefore, fullBefore, isSafe) = (0, 0, true)
    for index in extents.indices where !extents[index].isUsable { addExtent(index) }
    engineCount += 1
    let runtime = Runtime(id: EngineID(engineCount), namespace: models[0])
    // No longer than what may be staged for one request.
    let first = begin(runtime, lengthMax: min(4, certainLength(runtime.namespace)))
    awaitObjects()
    if let prompt = prompts[first] {
      forget(first)
      shelf?.isHidden = true
      bringBack(prompt, runtime)
      if fault == nil { bringAhead(prompt, runtime) }
      if fault == nil { regainDisk(prompt, runtime) }
      shelf?.isHidden = false
      if fault == nil { bringBackFromObjects(prompt) }
    }
    engine.detach(runtime.id, now: time)
    settle()
    tally.recoveries += 1
    plan.mishaps = mishaps
    isSafe = false
  }

  private mutating func bringBack(_ prompt: Prompt, _ runtime: Runtime) {
    var isBack = (host: false, disk: false)
    for _ in 0..<Self.tryLimit where !(isBack.host && isBack.disk) {
      // What is saved up pays for the whole prompt.
      now += Door.burstNanoseconds
      store(prompt, runtime)
      isBack.host = load(prompt, runtime) == prompt.keys.count
      loseHost()
      isBack.disk = comesBack(prompt, runtime)
    }
    check(isBack.host, "nothing goes wrong any more, and what is stored is not found")
    check(isBack.disk, "nothing goes wrong any more, and what is on disk is not found")
  }

  /// Whether a prompt is loaded whole. A request may wait for as long as its deadline; another one
  /// goes on where it stopped.
  private mutating func comesBack(_ prompt: Prompt, _ runtime: Runtime) -> Bool {
    for _ in 0..<Self.tryLimit where load(prompt, runtime) == prompt.keys.count { return true }
    return false
  }

  // MARK: The object store

  /// A store that answers again is not left alone for ever, though nobody wants anything of it.
  private mutating func awaitObjects() {
    // The longest pause is 64 times the first, and what was begun may be late.
    for _ in 0..<1_000 where engine.isObjectStoreShut { pass() }
    check(!engine.isObjectStoreShut, "a store that answers again is left alone")
  }

  /// What is stored is found when host memory and disk are lost, and another node can find it.
  private mutating func bringBackFromObjects(_ prompt: Prompt) {
    guard let shelf else { return }
    // Of its speed nothing is known, so that it loads whatever there is.
    engineCount += 1
    let runtime = Runtime(id: EngineID(engineCount), namespace: prompt.namespace)
    var isBack = false
    for _ in 0..<Self.trialLimit where !isBack {
      // What was not there, or did not answer, is asked for again after a time.
      for _ in 0..<20 { pass() }
      now += Door.burstNanoseconds
      store(prompt, runtime)
      loseEverything()
      isBack = comesBack(prompt, runtime)
    }
    engine.detach(runtime.id, now: time)
    settle()
    check(isBack, "nothing goes wrong any more, and what is in the object store is not found")
    tally.objectRecoveries += 1
    shelf.proof = Shelf.Proof(namespace: prompt.namespace, root: prompt.root, keys: prompt.keys)
  }

  /// What another node has put while nothing went wrong is found here, whole.
  mutating func find(_ proof: Shelf.Proof, at step: Int) throws(BrokenInvariant) {
    self.step = step
    quiesce()
    tell("nothing goes wrong from now on, and another node has put \(proof.keys.count) blocks")
    let mishaps = plan.mishaps
    (plan.mishaps, isSafe) = (.none, true)
    (slowBefore, fullBefore) = (0, 0)
    engineCount += 1
    let runtime = Runtime(id: EngineID(engineCount), namespace: proof.namespace)
    let prompt = Prompt(
      namespace: proof.namespace, root: proof.root, keys: proof.keys,
      failedReadCount: failedReadCount)
    var isFound = false
    for _ in 0..<Self.trialLimit where !isFound {
      for _ in 0..<20 { pass() }
      loseEverything()
      isFound = comesBack(prompt, runtime)
    }
    check(isFound, "nothing goes wrong any more, and what another node has put is not found")
    tally.handovers += 1
    engine.detach(runtime.id, now: time)
    settle()
    (plan.mishaps, isSafe) = (mishaps, false)
    if let fault { throw fault }
  }

  private mutating func loseEverything() {
    awaitRest()
    for index in extents.indices { retireExtent(index) }
    for index in machines.indices { machines[index].loseDisk() }
    for index in extents.indices where !extents[index].isUsable { addExtent(index) }
  }

  // MARK: The prompt

  /// Stores the prompt, and waits until all that this began has ended.
  private mutating func store(_ prompt: Prompt, _ runtime: Runtime) {
    let id = begin(prompt, runtime)
    let everything = RetentionRange(
      positions: 0..<Int.max, priority: UInt8(Door.thresholdMax))
    if engine.retain(id, [everything]) { said[id] = [everything] }
    for _ in 0..<100 {
      let answer = offer(id, prompt, 0..<prompt.keys.count)
      let isDone = engine.operationCount == 0 && engine.pendingWriteCount == 0
      if answer.coveredCount == prompt.keys.count && isDone { break }
      pass()
    }
    forget(id)
  }

  /// Asks for the prompt until it is ready or nothing is pending, and loads what is ready.
  ///
  /// - Returns: How much of it that was, where it was intact.
  @discardableResult
  private mutating func load(_ prompt: Prompt, _ runtime: Runtime) -> Int {
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
    guard match.readyCount > 0 else { return 0 }
    guard let operation = engine.commit(id, count: match.readyCount, now: time) else {
      check(false, "a promise was not kept")
      return 0
    }
    loads[operation] = Load(request: id, firstPosition: 0, count: match.readyCount)
    for _ in 0..<100 where loads[operation] != nil { pass() }
    check(loads[operation] == nil, "a load never ended")
    return refused.contains(id) ? 0 : match.readyCount
  }

  // MARK: A disk that was slow

  /// A disk that is slower than computing is given up; when it is fast again it is used again.
  private mutating func regainDisk(_ prompt: Prompt, _ runtime: Runtime) {
    computeSteadily(runtime)
    diskDelay = 900
    var isGivenUp = false
    for _ in 0..<Self.trialLimit where !isGivenUp {
      // With nothing on the way: it is the disk that is slow, and not its queue.
      for _ in 0..<100 where engine.operationCount > 0 { pass() }
      loseHost()
      let (refusalCount, pendingCount) = (diskRefusalCount, engine.counters.pendingBlocks)
      load(prompt, runtime)
      isGivenUp =
        diskRefusalCount > refusalCount && engine.counters.pendingBlocks == pendingCount
    }
    diskDelay = 0
    guard isGivenUp else { return }
    var isBack = false
    for _ in 0..<Self.trialLimit where !isBack {
      for _ in 0..<20 { pass() }
      loseHost()
      isBack = load(prompt, runtime) > 0
    }
    check(isBack, "a disk that was slow is fast again, and is not used")
    if isBack { tally.disksRegained += 1 }
  }

  private var diskRefusalCount: Int {
    engine.counters.positionsFasterThanDisk + engine.counters.stagingsTooLate
  }

  /// Trials are at most 64 times their first interval apart, and a few of them are enough.
  private static let trialLimit = 200

  /// So slowly that what a fast disk has is worth it, and what a slow one has is not.
  private mutating func computeSteadily(_ runtime: Runtime) {
    for _ in 0..<PrefillEstimate.sampleCountMin {
      engine.note(
        prefill: PrefillEstimate.Sample(
          tokenCount: 256, contextTokenCount: 32_640, nanoseconds: 256 * 150),
        blockTokens: Self.blockTokens, of: runtime.id)
    }
  }

  mutating func loseHost() {
    awaitRest()
    for index in extents.indices where extents[index].tier == .host { retireExtent(index) }
    for index in extents.indices where !extents[index].isUsable { addExtent(index) }
  }

  mutating func begin(_ prompt: Prompt, _ runtime: Runtime) -> RequestID {
    requestCount += 1
    let id = RequestID(engine: runtime.id, number: requestCount)
    live.append(id)
    prompts[id] = prompt
    return id
  }

  mutating func forget(_ id: RequestID) {
    settle()
    live.removeAll { $0 == id }
    cancel(id)
  }

  /// Memory in use cannot be taken away, and a block may be on its way to the object store.
  private mutating func awaitRest() {
    for _ in 0..<100 where engine.operationCount > 0 { pass() }
  }

  /// Time enough for a copy or two.
  mutating func pass() {
    settle()
    now += 50
    runDrivers()
    tick()
    settle()
  }
}
