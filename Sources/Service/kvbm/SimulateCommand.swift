import ArgumentParser
import KVBMTesting

/// Plays the block engine against everything that can go wrong.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Play the engine against all that can go wrong, and check it after every step.",
    discussion: """
      One seed decides everything, so a failure is repeated by its seed. Exit 0: nothing was \
      wrong. Exit 1: an invariant was broken; the seed, the step and the least part of the game \
      that still breaks it are printed. With --break a defect is planted that has to be found: \
      exit 1 when it was, exit 3 when it was not.
      """)

  @Option(help: "The seed.")
  var seed: UInt64 = 1

  @Option(help: "Several seeds, FIRST..LAST, one after the other.")
  var seeds: SeedRange?

  @Option(help: "Steps of each seed.")
  var steps = 1_000_000

  @Option(help: "Begin no further seed after so many seconds.")
  var seconds: Double?

  @Option(name: .customLong("break"), help: "Plant this defect; see --list-breaks.")
  var planted: PlantedBug?

  @Flag(help: "Name the defects that can be planted.")
  var listBreaks = false

  @Flag(help: "Print JSON, one object a seed.")
  var json = false

  /// - Throws: A validation error for less than one step.
  func validate() throws {
    guard steps > 0 else { throw ValidationError("--steps must be at least 1") }
  }

  /// Plays the seeds and prints what each saw, until one fails.
  ///
  /// - Throws: Exit 1 when an invariant was broken, 3 when a planted defect was not found.
  func run() throws {
    if listBreaks { return try printBreaks() }
    let start = SimulationRun.seconds
    for seed in seeds?.seeds ?? seed...seed {
      if let seconds, SimulationRun.seconds - start >= seconds { break }
      let report = SimulationRun.play(
        seed: seed, stepCount: steps, bug: planted, isQuiet: json)
      if json { try printJSON(report) }
      for line in json ? [] : report.lines { printLine(line) }
      if report.failure != nil { throw ExitCode.failure }
    }
    if planted != nil { throw ExitCode(3) }
  }

  private func printBreaks() throws {
    let bugs = PlantedBug.allCases
    if json { return try printJSON(bugs.map { ["name": $0.rawValue, "summary": $0.summary] }) }
    for bug in bugs { printLine("\(bug.rawValue): \(bug.summary)") }
  }
}

extension PlantedBug: ExpressibleByArgument {}

/// Seeds from one to another, as `1..64`.
struct SeedRange: ExpressibleByArgument {
  /// Both ends included.
  let seeds: ClosedRange<UInt64>

  /// Nil unless the text is two numbers in order.
  init?(argument: String) {
    let ends = argument.split(separator: ".", omittingEmptySubsequences: true)
    guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), first <= last
    else { return nil }
    seeds = first...last
  }
}
