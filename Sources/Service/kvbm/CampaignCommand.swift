import ArgumentParser
import DiskTier
import KVBMCampaigns

/// Cuts a disk store off in the middle of its work, many times, and checks each restart.
struct CampaignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "campaign",
    abstract: "Kill a writing process, or lose power, many times, and check each restart.",
    discussion: """
      After each restart every block that can be found is read and held against what was written, \
      and every block that was reported as durable must be there. Exit 0: nothing was wrong. Exit \
      1: something was; it is printed. With --break a defect is planted that has to be found: exit \
      1 when it was, 3 when it was not.
      """,
    subcommands: [
      CampaignKillCommand.self, CampaignPowerCommand.self, CampaignWriterCommand.self,
    ])
}

/// What campaigns have in common.
struct CampaignOptions: ParsableArguments {
  @Option(help: "The seed.")
  var seed: UInt64 = 1

  @Option(help: "Where files are made, which are removed again.")
  var directory = "/tmp"

  @Option(name: .customLong("break"), help: "Plant this defect; see --list-breaks.")
  var planted: CampaignFault?

  @Flag(help: "Name the defects that can be planted.")
  var listBreaks = false

  @Flag(help: "Print JSON.")
  var json = false

  /// Plays a campaign and prints what it saw.
  ///
  /// - Throws: Exit 1 for a violation, 3 when a planted defect was not found.
  func play(
    _ label: String, _ count: Int, faults: [CampaignFault],
    _ run: ((Int) -> Void) throws -> CampaignReport
  ) throws {
    if listBreaks {
      for fault in faults { printLine("\(fault.rawValue): \(fault.summary)") }
      return
    }
    if let planted, !faults.contains(planted) {
      throw ValidationError("--break \(planted.rawValue) has no effect here; see --list-breaks")
    }
    let start = SimulationRun.seconds
    var bar = ProgressBar(label, isQuiet: json)
    let report = try run { done in bar.show(done, count, note: "\(done) restarts") }
    bar.end()
    let output = CampaignOutput(
      campaign: label, seed: seed, report, seconds: SimulationRun.seconds - start, planted: planted)
    if json { try printJSON(output) } else { output.print() }
    if !report.violations.isEmpty { throw ExitCode.failure }
    if planted != nil { throw ExitCode(3) }
  }
}

/// Kills a writer.
struct CampaignKillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kill",
    abstract: "kill -9 a process at random moments while it writes into a store.")

  @OptionGroup var options: CampaignOptions

  @Option(help: "Kills.")
  var times = 200

  /// Plays it.
  func run() throws {
    try options.play("kill", times, faults: CampaignFault.ofKills) { progress in
      let campaign = try KillCampaign(
        seed: options.seed, times: times, parent: options.directory, fault: options.planted
      ) { CampaignWriterCommand.command($0) }
      return try campaign.run(progress)
    }
  }
}

/// Loses power.
struct CampaignPowerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "power",
    abstract: "Restart from what a device may have kept when power was lost.",
    discussion: """
      Any subset of the writes that were not flushed, in any order, torn at sectors of 512 bytes; \
      new files without their names.
      """)

  @OptionGroup var options: CampaignOptions

  @Option(help: "Losses of power, each with another image of the device.")
  var images = 1_000

  /// Plays it.
  func run() throws {
    try options.play("power", images, faults: CampaignFault.ofPowerLoss) { progress in
      let campaign = try PowerCampaign(
        seed: options.seed, imageCount: images, parent: options.directory, fault: options.planted)
      return try campaign.run(progress)
    }
  }
}

/// The process that `campaign kill` kills.
struct CampaignWriterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "writer", abstract: "Write into a store until killed.", shouldDisplay: false)

  @Option var directory: String
  @Option var seed: UInt64
  @Option var firstNumber: UInt64
  @Option(transform: DiskOptions.Driver.parse) var driver: DiskOptions.Driver
  @Option(name: .customLong("break")) var planted: CampaignFault?
  @Flag var buffered = false

  /// Writes until killed.
  func run() throws {
    try KillCampaign.beWriter(
      KillCampaign.WriterArguments(
        directory: directory, seed: seed, firstNumber: firstNumber, driver: driver,
        isDirect: !buffered, fault: planted))
  }

  /// The words that start this program as such a writer.
  static func command(_ arguments: KillCampaign.WriterArguments) -> [String] {
    var words = ["/proc/self/exe", "campaign", "writer", "--directory", arguments.directory]
    words += ["--seed", "\(arguments.seed)", "--first-number", "\(arguments.firstNumber)"]
    words += ["--driver", arguments.driver.rawValue]
    if !arguments.isDirect { words.append("--buffered") }
    if let fault = arguments.fault { words += ["--break", fault.rawValue] }
    return words
  }
}

extension CampaignFault: ExpressibleByArgument {}

/// A campaign's end, in the form that is printed.
private struct CampaignOutput: Encodable {
  let campaign: String
  let seed: UInt64
  let restarts: Int
  let blocksServed: Int
  let blocksDemanded: Int
  let slotsFreed: Int
  let violations: [String]
  let seconds: Double
  let planted: String?

  init(
    campaign: String, seed: UInt64, _ report: CampaignReport, seconds: Double,
    planted: CampaignFault?
  ) {
    self.campaign = campaign
    self.seed = seed
    restarts = report.restartCount
    blocksServed = report.servedCount
    blocksDemanded = report.demandedCount
    slotsFreed = report.freedCount
    violations = report.violations
    self.seconds = seconds
    self.planted = planted?.rawValue
  }

  func print() {
    printLine(
      "\(campaign), seed \(seed): \(TextTable.grouped(restarts)) restarts in \(Int(seconds)) s; "
        + "\(TextTable.grouped(blocksServed)) blocks read and right, of which "
        + "\(TextTable.grouped(blocksDemanded)) had to be there; "
        + "\(TextTable.grouped(slotsFreed)) torn slots found out")
    for violation in violations { printLine("  \(violation)") }
    if violations.isEmpty { printLine("nothing wrong") }
  }
}
