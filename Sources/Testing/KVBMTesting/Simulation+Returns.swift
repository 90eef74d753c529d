import BlockEngine

/// What is known of conversations that are to be back.
struct Returns {
  /// How long after its end a live request's conversation will be back, by its word.
  var said: [RequestID: UInt64] = [:]
  /// `[namespace]`: from when on, at the earliest, a block may be read ahead, by key.
  var dues: [Int: [BlockKey: UInt64]] = [:]
}

/// Requests that say that they will be back, and what is read ahead for them.
extension Simulation {
  /// A request says when its conversation will be back.
  mutating func sayReturn() {
    guard !live.isEmpty else { return }
    let id = live[random.below(live.count)]
    guard let prompt = prompts[id] else { return }
    let back = UInt64(random.below(3000))
    let isTaken = engine.expectBack(
      id, in: NamespaceID(UInt16(prompt.namespace)), after: back)
    tell("\(id.words) will be back in \(back)\(isTaken ? "" : ": in vain")")
    if isTaken { returns.said[id] = back }
  }

  /// When the reads begin for a conversation that will be back so long from now.
  private func readDue(_ back: UInt64) -> UInt64 {
    time.nanoseconds + back - min(back, back / 8 + limits.prefetchNanoseconds)
  }

  /// A request is over; from now on its return is waited for.
  mutating func noteReturn(of id: RequestID) {
    guard let back = returns.said.removeValue(forKey: id), let prompt = prompts[id] else { return }
    let due = readDue(back)
    for name in prompt.names {
      let known = returns.dues[prompt.namespace]?[name] ?? .max
      returns.dues[prompt.namespace, default: [:]][name] = min(known, due)
    }
  }

  /// Time passes for the engine: what it reads now, nobody has asked for.
  mutating func tick() {
    let effectCount = engine.effects.count
    let holdings = holdings()
    engine.tick(time)
    checkShares(since: holdings, isExact: false)
    var isAhead = false
    for effect in engine.effects[effectCount...] {
      guard case .read(_, let record, _, _) = effect else { continue }
      isAhead = true
      tally.readsAhead += 1
      let due = returns.dues[Int(record.namespace.rawValue)]?[record.key]
      check(due ?? .max <= time.nanoseconds, "a block is read before anybody may need it")
    }
    guard isAhead else { return }
    let queuedCount = engine.effects.count { if case .read = $0 { true } else { false } }
    let runningCount = jobs.count { job in
      if case .read = job.work { !job.isEcho } else { false }
    }
    check(
      queuedCount + runningCount <= max(1, limits.readLimit / 4),
      "reads for nobody take the room of those who wait")
  }

  /// A prompt that is on disk alone is in memory when its conversation is back.
  mutating func bringAhead(_ prompt: Prompt, _ runtime: Runtime) {
    // Those that are waited for already are more than enough for the table, perhaps.
    for _ in 0..<200 where engine.expectedReturnCount > 0 { pass() }
    let id = begin(prompt, runtime)
    for _ in 0..<100 where ask(id, prompt).pendingCount > 0 { pass() }
    let isTaken = engine.expectBack(
      id, in: NamespaceID(UInt16(prompt.namespace)), after: 1000)
    check(isTaken, "nobody's return is waited for")
    returns.said[id] = 1000
    forget(id)
    let due = readDue(1000)
    loseHost()
    // Memory that was long in going: what was due was here then.
    guard time.nanoseconds < due else { return }
    for _ in 0..<100 { pass() }
    let next = begin(prompt, runtime)
    let match = ask(next, prompt)
    forget(next)
    check(
      match == Match(readyCount: prompt.keys.count, pendingCount: 0),
      "a conversation is back, and its blocks are not: \(match)")
  }

  private mutating func ask(_ id: RequestID, _ prompt: Prompt) -> Match {
    engine.match(
      id, in: NamespaceID(UInt16(prompt.namespace)), keys: prompt.keys, parentKey: prompt.root,
      now: time)
  }
}
