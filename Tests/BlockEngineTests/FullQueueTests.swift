import BlockEngine
import Testing

/// A full queue over a host tier of two prompts' size.
///
/// Four requests wait for the device, and their prompts are staged from disk; none is served for as
/// long as they may wait. Meanwhile one prompt is asked for again and again, and served at once:
/// stored where it was computed, loaded where it is found.
@Suite("A full queue")
struct FullQueueTests {
  private static let roundCount = 20
  private static let waitingCount = 4
  private static let promptLength = 4

  /// What became of the rounds.
  private struct Outcome {
    /// Rounds in which the running prompt was loaded.
    var loads = 0
    /// Rounds in which it was computed, and found no room to be stored.
    var lost = 0
    /// Requests that waited with their whole prompt staged, at the end.
    var staged = 0
  }

  private func play(bugs: PlantedBugs = []) throws -> Outcome {
    let length = Self.promptLength
    var rig = try Rig(host: 2 * length, disk: Self.waitingCount * length + 2, bugs: bugs)
    for sequence in 0..<Self.waitingCount {
      _ = try rig.store(request(1), keys(0..<length, sequence: sequence))
      try rig.finishAll()
    }
    rig.engine.cancel(request(1))
    // Now the disk alone has them.
    let isEmpty = rig.engine.retireExtent(.host, rig.classID, slots: 0..<UInt32(2 * length))
    #expect(isEmpty)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<UInt32(2 * length))
    var outcome = Outcome()
    let waiting = (0..<Self.waitingCount).map { UInt64(10 + $0) }
    for round in 1...Self.roundCount {
      for (sequence, number) in waiting.enumerated() {
        _ = try rig.match(request(number), keys(0..<length, sequence: sequence))
      }
      try rig.finishAll()
      // A step of the engine ends, and promises with it; what was staged stays.
      rig.engine.endStep(EngineID(1))
      try serve(request(UInt64(100 + round)), &rig, &outcome)
    }
    for (sequence, number) in waiting.enumerated() {
      let match = try rig.match(request(number), keys(0..<length, sequence: sequence))
      if match.readyCount == length { outcome.staged += 1 }
    }
    try rig.tick(after: rig.engine.limits.stagingNanoseconds)
    for number in waiting { rig.engine.cancel(request(number)) }
    try rig.settle()
    // Nothing is left over: every request has ended.
    #expect(rig.engine.requestCount == 0 && rig.engine.operationCount == 0)
    #expect(rig.counts(.host).pinned == 0)
    return outcome
  }

  /// Loads the running prompt, or computes and stores it.
  private func serve(
    _ id: RequestID, _ rig: inout Rig, _ outcome: inout Outcome
  ) throws {
    let prompt = keys(0..<2, sequence: 9)
    let match = try rig.match(id, prompt)
    if match.readyCount == prompt.count {
      try rig.report(#require(try rig.commit(id, match.readyCount)))
      rig.effects = []
      outcome.loads += 1
    } else {
      if try rig.store(id, prompt).coveredCount < prompt.count { outcome.lost += 1 }
      try rig.finishAll()
    }
    rig.engine.cancel(id)
    try rig.settle()
  }

  @Test("Within its budget it leaves room: what runs is stored once, and found from then on")
  func withBudget() throws {
    let outcome = try play()
    #expect(outcome.loads == Self.roundCount - 1 && outcome.lost == 0)
    #expect(outcome.staged == 1)
  }

  @Test("Without a budget it fills the tier: what runs is computed in every round")
  func withoutBudget() throws {
    let outcome = try play(bugs: .stageUnbounded)
    #expect(outcome.loads == 0 && outcome.lost == Self.roundCount)
    #expect(outcome.staged == 2)
  }
}
