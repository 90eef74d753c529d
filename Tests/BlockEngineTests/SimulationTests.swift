import BlockEngine
import Foundation
import KVBMTesting
import Testing

/// `KVBM_SIM_SEEDS` (how many, from 1) and `KVBM_SIM_STEPS` make the runs longer.
private enum Spread {
  static let seeds = Array(1...UInt64(number("KVBM_SIM_SEEDS", or: 8)))
  static let stepCount = number("KVBM_SIM_STEPS", or: 20_000)

  private static func number(_ name: String, or standard: Int) -> Int {
    max(1, ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard)
  }
}

@Suite("Simulation")
struct SimulationTests {
  @Test("The engine keeps its invariants through every mishap", arguments: Spread.seeds)
  func clean(seed: UInt64) throws {
    print("seed \(seed), \(Spread.stepCount) steps")
    var game = Fleet(seed: seed)
    do throws(BrokenInvariant) {
      try game.run(stepCount: Spread.stepCount)
    } catch {
      Issue.record("seed \(seed), step \(game.step): \(error)")
      return
    }
    // A run that saw nothing proves nothing.
    guard Spread.stepCount >= 20_000 else { return }
    let tally = game.tally
    #expect(tally.loadsEnded > 100 && tally.loadsCorrupt > 0 && tally.pendingBlocks > 100)
    #expect(tally.quietMoments > 0 && tally.recoveries > 0 && tally.copiesAfterTimeout > 0)
    #expect(tally.extentsAdded > 0 && tally.duplicatesFound > 0)
    for kind in Mishap.allCases where !kind.isOfObjects || game.nodeCount > 1 {
      #expect(tally.mishaps[kind] > 0, "\(kind)")
    }
    if game.nodeCount > 1 { expectObjects(tally) }
    #expect(tally.awaitedBlocks > 50 && tally.promisedTails > 0)
    #expect(tally.windowedLoads > 20 && tally.windowedPendingBlocks > 100)
    let counters = tally.counters
    #expect(counters.shortLoadsRefused > 0)
    #expect(counters.corruptCopies > 0 && counters.staleReports > 0 && counters.blocksStaged > 0)
    #expect(counters.storesTimedOut > 0 && counters.readsTimedOut > 0)
    #expect(counters.writesTimedOut > 0 && counters.stagingExpired > 0)
    #expect(counters.expectationsLapsed > 50 && counters.expectationsRefused > 0)
    #expect(counters.tailsRefused > 0)
    #expect(counters.writesDropped > 0 && counters.readsRefused > 0)
    #expect(tally.choicesChecked > 1000 && tally.loadsRefused > 100 && tally.disksRegained > 0)
    #expect(counters.positionsFasterThanHost > 50 && counters.positionsFasterThanDisk > 50)
    #expect(tally.readsAhead > 10 && counters.returnsRefused > 0 && counters.prefetchesCut > 0)
    #expect(counters.hostTrials > 0 && counters.diskTrials > 0)
    // A budget that is full may not come up in one short game.
    for reason in RefusalReason.allCases where reason != .budget {
      #expect(tally.refusals[reason] != nil, "\(reason)")
    }
  }

  private func expectObjects(_ tally: Tally) {
    let counters = tally.counters
    #expect(tally.objectRecoveries > 0 && tally.handovers > 0)
    #expect(counters.blocksPut > 100 && counters.blocksFetched > 20)
    #expect(counters.objectsMissing > 0 && counters.objectStoreShuts > 0)
    #expect(counters.getsTimedOut + counters.putsTimedOut + counters.looksTimedOut > 0)
    #expect(counters.putsDropped > 0 && counters.putsLapsed > 0)
  }

  @Test("Every planted bug is found, on every seed", arguments: PlantedBug.allCases)
  func planted(bug: PlantedBug) {
    for seed in 1...3 as ClosedRange<UInt64> {
      var game = Fleet(seed: seed, bug: bug)
      #expect(throws: BrokenInvariant.self, "seed \(seed)") {
        try game.run(stepCount: 100_000)
      }
    }
  }

  @Test(
    "A failed game is shrunk to one that fails alike",
    arguments: [PlantedBug.registerEarly, .waitForever, .giveUpDisk, .reportSuccess])
  func shrunk(bug: PlantedBug) throws {
    var game = Fleet(seed: 1, bug: bug)
    let invariant = try #require(throws: BrokenInvariant.self) {
      try game.run(stepCount: 100_000)
    }
    let failure = Shrinker.Failure(step: game.step, invariant: invariant)
    let least = Shrinker.shrink(failure, seed: 1, bug: bug, stepLimit: 8_000)
    #expect(least.step <= failure.step)
    var again = Fleet(seed: 1, bug: bug, plan: least.plan)
    #expect(throws: least.invariant) { try again.run(stepCount: least.step) }
    #expect(again.step == least.step)
    #expect(!Shrinker.story(of: least, seed: 1, bug: bug).isEmpty)
  }

  @Test("What a shrinker can leave out is left out")
  func shrunkFar() throws {
    // A store of what a runtime has given up: one call is enough.
    var game = Fleet(seed: 3, bug: .storeDropped)
    let invariant = try #require(throws: BrokenInvariant.self) {
      try game.run(stepCount: 100_000)
    }
    let failure = Shrinker.Failure(step: game.step, invariant: invariant)
    let least = Shrinker.shrink(failure, seed: 3, bug: .storeDropped)
    let actCount = least.plan.acts?.count { $0 <= least.step }
    #expect(try #require(actCount) <= 4)
    #expect(Mishap.allCases.allSatisfy { !least.plan.mishaps.contains($0) })
  }

  @Test("Equal seeds play equal games, and different seeds different ones")
  func deterministic() throws {
    func trace(_ seed: UInt64) throws -> UInt64 {
      var game = Fleet(seed: seed)
      try game.run(stepCount: 3_000)
      return game.trace
    }
    let (first, again, other) = try (trace(7), trace(7), trace(8))
    #expect(first == again && first != other)
  }
}
