import BlockEngine

/// Whether what is worth its load is loaded, and nothing else, by a naive weighing of every length.
extension Simulation {
  static let blockTokens = 4

  /// What is known before a match, and where each block is.
  struct Weighing {
    let namespace: Int
    let keys: [BlockKey]
    let firstPosition: Int
    let disk: PathFigures
    let object: PathFigures
    let engine: EngineFigures
    /// `[index][group]`
    let presence: [[Presence]]
    let trialCount: Int
  }

  /// An inference engine has computed something; each has its speed, and no step is like another.
  mutating func notePrefill() {
    guard !attached.isEmpty else { return }
    let runtime = attached[random.below(attached.count)]
    let dice = Random.mix(seed ^ UInt64(runtime.id.rawValue) &* 77)
    let perToken = [1, 20, 60, 200, 800][Int(dice % 5)] * (8 + random.below(5))
    let (count, start) = (16 + random.below(512), random.below(64))
    let context = count * start + count * (count - 1) / 2
    let nanoseconds = (count * perToken + context * Int(dice >> 8 % 2)) / 10
    tell("engine \(runtime.id.rawValue) computes \(count) tokens in \(nanoseconds) ns")
    engine.note(
      prefill: PrefillEstimate.Sample(
        tokenCount: count, contextTokenCount: context, nanoseconds: UInt64(nanoseconds)),
      blockTokens: Self.blockTokens, of: runtime.id)
  }

  /// What a match of these keys has to go by; nil while it has nothing.
  func weighing(
    _ prompt: Prompt, _ id: RequestID, _ first: Int, _ keys: [BlockKey]
  ) -> Weighing? {
    let known = engine.engineFigures.first { $0.engine == id.engine }?.figures
    guard let known, known.isPrefillKnown else { return nil }
    let namespace = NamespaceID(UInt16(prompt.namespace))
    return Weighing(
      namespace: prompt.namespace, keys: keys, firstPosition: first, disk: engine.diskFigures,
      object: engine.objectFigures, engine: known,
      presence: keys.map { key in
        Self.namespaces[prompt.namespace].indices.map {
          engine.presence(of: key, group: $0, in: namespace)
        }
      }, trialCount: engine.counters.hostTrials)
  }

  /// Holds the answer of a match against what was known before it.
  mutating func checkChoice(_ match: Match, _ id: RequestID, _ before: Weighing?) {
    let refusal = engine.refusal
    guard let before else {
      return check(refusal == nil, "something is slower than what was never measured")
    }
    if engine.counters.hostTrials > before.trialCount { trials.insert(id) }
    if refusal != nil { tally.loadsRefused += 1 }
    tally.choicesChecked += 1
    if match.pendingCount > 0 {
      checkStaged(match, before)
    } else if match.readyCount > 0 && !trials.contains(id) && before.engine.host.isKnown {
      check(
        load(match.readyCount, before) <= compute(match.readyCount, before) * Self.tolerance,
        "a prefix is promised that is computed faster")
    }
    guard let refusal else { return }
    if refusal.tier == .host { checkRefusedHost(match, refusal, before) }
    if refusal.tier == .disk { checkRefusedDisk(match, refusal, before) }
  }

  /// Sums are not added up in the same order.
  private static let tolerance = 1 + 1e-6
  /// What is about equal stays as it was.
  private static let inertia = 0.8 / tolerance

  private mutating func checkRefusedHost(
    _ match: Match, _ refusal: LoadRefusal, _ before: Weighing
  ) {
    check(match == .none, "part of a prefix is promised that is not worth its load")
    for count in 1...refusal.positionCount
    where isReady(before.namespace, before.keys, count) {
      check(
        load(count, before) > compute(count, before) * Self.inertia,
        "\(count) ready positions are worth their load and are not promised")
    }
  }

  /// What is waited for is worth at least what it surely takes.
  private mutating func checkStaged(_ match: Match, _ before: Weighing) {
    guard before.disk.isKnown || before.object.isKnown else { return }
    let count = match.readyCount + match.pendingCount
    let (cost, gain, _) = staged(count, behind: match.readyCount, before)
    check(cost <= gain * Self.tolerance, "blocks are waited for that are computed faster")
  }

  private mutating func checkRefusedDisk(
    _ match: Match, _ refusal: LoadRefusal, _ before: Weighing
  ) {
    // A host refusal comes later and is told instead, so what was ready is still promised.
    for count in 1...refusal.positionCount {
      let total = match.readyCount + count
      // Half of a window is of no use, and the engine weighs the longest prefix alone.
      if Self.hasWindow(before.namespace) && count < refusal.positionCount { continue }
      let (cost, gain, isSure) = staged(total, behind: match.readyCount, before)
      guard isSure else { return }
      check(
        cost > gain * Self.inertia,
        "\(count) positions on disk are worth being staged and are not")
    }
  }

  /// What a prefix costs beyond its ready part, at least, and what computing that would; `isSure`
  /// when nothing is on its way, so that the cost is exact.
  private func staged(
    _ count: Int, behind readyCount: Int, _ before: Weighing
  ) -> (cost: Double, gain: Double, isSure: Bool) {
    var (readBytes, getBytes) = (0, 0)
    var isSure = true
    forEachNeeded(before.namespace, count) { index, group in
      let presence = before.presence[index][group]
      if presence.contains(.host) { return }
      if presence.contains(.arriving) || presence.isDisjoint(with: [.disk, .object]) {
        isSure = false
      } else if presence.contains(.disk) {
        readBytes += bytes(group, before)
      } else {
        getBytes += bytes(group, before)
      }
    }
    var cost = load(count, before)
    cost += max(wait(readBytes, before.disk), wait(getBytes, before.object))
    var gain = compute(count, before)
    let (readyCost, readyGain) = (load(readyCount, before), compute(readyCount, before))
    if readyCost <= readyGain { (cost, gain) = (cost - readyCost, gain - readyGain) }
    return (cost, gain, isSure)
  }

  /// Until so much more has come a way.
  private func wait(_ bytes: Int, _ path: PathFigures) -> Double {
    guard bytes > 0 else { return 0 }
    return path.fixedNanoseconds + Double(path.queuedBytes + bytes) * path.nanosecondsPerByte
  }

  private func bytes(_ group: Int, _ before: Weighing) -> Int {
    4096 * (Int(Self.namespaces[before.namespace][group].classID.rawValue) + 1)
  }

  /// A load of the first positions, by definition.
  private func load(_ count: Int, _ before: Weighing) -> Double {
    guard count > 0, before.engine.host.isKnown else { return 0 }
    var queue = before.engine.host.queuedBytes
    forEachNeeded(before.namespace, count) { _, group in queue += bytes(group, before) }
    return before.engine.host.fixedNanoseconds
      + Double(queue) * before.engine.host.nanosecondsPerByte
  }

  /// What computing them costs, token by token.
  private func compute(_ count: Int, _ before: Weighing) -> Double {
    let first = before.firstPosition * Self.blockTokens
    return (first..<(first + count * Self.blockTokens)).reduce(0) {
      $0 + before.engine.nanosecondsPerToken + before.engine.nanosecondsPerPair * Double($1)
    }
  }
}
