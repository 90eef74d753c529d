import BlockPolicy
import Glibc
import KVBMTesting

/// What a seed's game saw, in the form that is printed.
struct SimulationRun: Encodable {
  /// What was broken, and the least game that breaks it.
  struct Failure: Encodable {
    let step: Int
    let invariant: String
    /// The game that is left: its last step, and how many calls and events it needs.
    let shrunkStep: Int
    let shrunkActs: Int
    /// The kinds of mishaps without which it does not fail.
    let mishaps: [String]
    let trace: [String]
  }

  let seed: UInt64
  /// Nodes that shared an object store, or one without.
  let nodes: Int
  let steps: Int
  let violations: Int
  /// How often each kind of mishap happened.
  let faults: [String: Int]
  let hits: Int
  let stagedBlocks: Int
  /// Those of them that came from the object store, and times that a node found there what another
  /// one had put.
  let fetchedBlocks: Int
  let handovers: Int
  let loads: Int
  let recoveries: Int
  /// Prefixes that were computed since that was faster, and disks that came back from being slow.
  let loadsRefused: Int
  let disksRegained: Int
  let stepsPerSecond: Int
  let planted: String?
  let failure: Failure?

  private static let chunk = 10_000
  private static let storyLength = 60

  /// Plays a seed to its end or to the first broken invariant, which is then shrunk.
  static func play(
    seed: UInt64, stepCount: Int, bug: PlantedBug?, isQuiet: Bool
  ) -> SimulationRun {
    var bar = ProgressBar("seed \(seed)", isQuiet: isQuiet)
    var game = Fleet(seed: seed, bug: bug)
    var failure: Shrinker.Failure?
    let start = seconds
    while game.step < stepCount && failure == nil {
      bar.show(game.step, stepCount, note: "\(game.tally.loadsEnded) loads")
      do throws(BrokenInvariant) {
        try game.run(stepCount: min(chunk, stepCount - game.step))
      } catch {
        failure = Shrinker.Failure(step: game.step, invariant: error)
      }
    }
    let elapsed = seconds - start
    bar.end()
    return SimulationRun(
      game, seed, bug, failure.map { found in shrink(found, seed, bug) },
      stepsPerSecond: Int(Double(game.step) / max(elapsed, 1e-6)))
  }

  private static func shrink(
    _ found: Shrinker.Failure, _ seed: UInt64, _ bug: PlantedBug?
  ) -> Failure {
    let least = Shrinker.shrink(found, seed: seed, bug: bug)
    return Failure(
      step: found.step, invariant: found.invariant.description, shrunkStep: least.step,
      shrunkActs: least.plan.acts?.count { $0 <= least.step } ?? least.step,
      mishaps: Mishap.allCases.filter { least.plan.mishaps.contains($0) }.map(name),
      trace: Shrinker.story(of: least, seed: seed, bug: bug).suffix(storyLength))
  }

  private init(
    _ game: borrowing Fleet, _ seed: UInt64, _ bug: PlantedBug?, _ failure: Failure?,
    stepsPerSecond: Int
  ) {
    self.seed = seed
    nodes = game.nodeCount
    steps = game.step
    violations = failure == nil ? 0 : 1
    let tally = game.tally
    let counters = tally.counters
    faults = Dictionary(
      uniqueKeysWithValues: Mishap.allCases.map { (Self.name($0), tally.mishaps[$0]) }
        + [("copies_after_timeout", tally.copiesAfterTimeout)])
    hits = counters.blocksLoaded
    stagedBlocks = counters.blocksStaged
    fetchedBlocks = counters.blocksFetched
    handovers = tally.handovers
    loads = tally.loadsEnded
    recoveries = tally.recoveries
    loadsRefused = tally.loadsRefused
    disksRegained = tally.disksRegained
    self.stepsPerSecond = stepsPerSecond
    planted = bug?.rawValue
    self.failure = failure
  }

  /// A kind's name in the form of JSON's keys.
  private static func name(_ kind: Mishap) -> String {
    String("\(kind)".flatMap { $0.isUppercase ? ["_", Character($0.lowercased())] : [$0] })
  }

  /// The same for a reader.
  var lines: [String] {
    let speed = TextTable.grouped(stepsPerSecond)
    guard let failure else {
      let mishaps = faults.filter { $0.key != "copies_after_timeout" }.values.reduce(0, +)
      return [
        "seed \(seed), \(nodes == 1 ? "1 node" : "\(nodes) nodes"): "
          + "\(TextTable.grouped(steps)) steps, nothing wrong; "
          + "\(TextTable.grouped(mishaps)) mishaps, \(TextTable.grouped(loads)) loads of "
          + "\(TextTable.grouped(hits)) blocks, hits came back \(recoveries) times "
          + "(\(speed) steps/s)"
      ]
    }
    var lines = [
      "seed \(seed), step \(failure.step): \(failure.invariant)",
      "the same comes of \(failure.shrunkActs) calls and events up to step \(failure.shrunkStep), "
        + "and of these mishaps: "
        + (failure.mishaps.isEmpty ? "none" : failure.mishaps.joined(separator: ", ")),
    ]
    lines += failure.trace.map { "  \($0)" }
    return lines
  }

  /// Seconds of a clock that never goes back.
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
