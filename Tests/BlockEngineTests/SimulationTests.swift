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
    var simulation = Simulation(seed: seed)
    do throws(BrokenInvariant) {
      try simulation.run(stepCount: Spread.stepCount)
    } catch {
      Issue.record("seed \(seed), step \(simulation.step): \(error)")
      return
    }
    // A run that saw nothing proves nothing.
    guard Spread.stepCount >= 20_000 else { return }
    let tally = simulation.tally
    #expect(tally.loadsEnded > 100 && tally.loadsCorrupt > 0 && tally.pendingBlocks > 100)
    #expect(tally.restarts > 0 && tally.detaches > 0 && tally.quietMoments > 0)
    #expect(tally.extentsAdded > 0 && tally.extentsRetired > 0 && tally.duplicatesFound > 0)
    #expect(tally.windowedLoads > 20 && tally.windowedPendingBlocks > 100)
    let counters = tally.counters
    #expect(counters.shortLoadsRefused > 0)
    #expect(counters.corruptCopies > 0 && counters.staleReports > 0 && counters.blocksStaged > 0)
    #expect(counters.storesTimedOut > 0 && counters.readsTimedOut > 0)
    #expect(counters.writesTimedOut > 0 && counters.stagingExpired > 0)
    #expect(counters.writesDropped > 0 && counters.readsRefused > 0)
  }

  @Test("Every planted bug is found, on every seed", arguments: PlantedBug.allCases)
  func planted(bug: PlantedBug) {
    for seed in 1...3 as ClosedRange<UInt64> {
      var simulation = Simulation(seed: seed, bug: bug)
      #expect(throws: BrokenInvariant.self, "seed \(seed)") {
        try simulation.run(stepCount: 100_000)
      }
    }
  }

  @Test("Equal seeds play equal games, and different seeds different ones")
  func deterministic() throws {
    func trace(_ seed: UInt64) throws -> UInt64 {
      var simulation = Simulation(seed: seed)
      try simulation.run(stepCount: 3_000)
      return simulation.trace
    }
    let (first, again, other) = try (trace(7), trace(7), trace(8))
    #expect(first == again && first != other)
  }
}
