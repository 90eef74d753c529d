import DiskTier
import Glibc
import KVBMTesting
import KVLayout

/// Kills a process at random moments while it writes into a store, and restarts on what is there.
///
/// The store stays from one kill to the next. What was reported as written must be there: nothing
/// but the process is lost.
public struct KillCampaign {
  /// How a writer is told what to do.
  public struct WriterArguments: Sendable {
    /// The store.
    public var directory: String
    /// Decides places and shapes.
    public var seed: UInt64
    /// The first block's number less 1.
    public var firstNumber: UInt64
    /// Who moves the bytes.
    public var driver: DiskOptions.Driver
    /// Around the page cache.
    public var isDirect: Bool
    /// What is wrong with it.
    public var fault: CampaignFault?

    /// All of it.
    public init(
      directory: String, seed: UInt64, firstNumber: UInt64, driver: DiskOptions.Driver,
      isDirect: Bool, fault: CampaignFault?
    ) {
      self.directory = directory
      self.seed = seed
      self.firstNumber = firstNumber
      self.driver = driver
      self.isDirect = isDirect
      self.fault = fault
    }
  }

  private let seed: UInt64
  private let times: Int
  private let directory: String
  private let fault: CampaignFault?
  private let command: (WriterArguments) -> [String]

  private static let capacityBytes = 8 << 20
  private static let largeBytes = 512 << 10

  /// A campaign; `parent` is where its store is while it runs, `command` starts a writer.
  public init(
    seed: UInt64, times: Int, parent: String, fault: CampaignFault?,
    command: @escaping (WriterArguments) -> [String]
  ) throws {
    self.seed = seed
    self.times = times
    self.fault = fault
    self.command = command
    directory = try Scratch.directory(in: parent)
  }

  /// Plays it until a restart shows a violation.
  ///
  /// - Parameter progress: hears of each restart.
  public func run(_ progress: (Int) -> Void = { _ in }) throws -> CampaignReport {
    defer { Scratch.remove(directory) }
    var report = CampaignReport()
    var ledger = Ledger()
    var random = Random(seed: seed)
    for time in 1...max(1, times) {
      var options = DiskOptions()
      options.driver = random.oneIn(2) ? .threads : .auto
      options.useDirectIO = !random.oneIn(3)
      let arguments = WriterArguments(
        directory: directory + "/store", seed: random.next(), firstNumber: UInt64(time) << 32,
        driver: options.driver, isDirect: options.useDirectIO, fault: fault)
      if let status = try write(arguments, &ledger, &random) {
        report.violations.append("kill \(time): the writer ended by itself with \(status)")
        return report
      }
      // Killed before it made the store: nothing to look at.
      guard access(arguments.directory + "/kvbm-store.json", F_OK) == 0 else { continue }
      let check = try RestartCheck(
        directory: arguments.directory, capacityBytes: Self.capacityBytes,
        largeBytes: Self.largeBytes, ledger, options: options)
      report.add(check, ledger, "kill \(time)")
      guard report.violations.isEmpty else { return report }
      ledger.settle(check.found)
      progress(time)
    }
    return report
  }

  /// Has a writer write, and kills it; its status when it was faster.
  private func write(
    _ arguments: WriterArguments, _ ledger: inout Ledger, _ random: inout Random
  ) throws(DiskTierError) -> Int32? {
    let writer = try WriterProcess(command(arguments))
    // One in eight dies while it opens and scans, the others when they are at work.
    if !random.oneIn(8) {
      var hasBegun = false
      while !hasBegun {
        let isOpen = writer.listen(milliseconds: 1_000) { event in
          ledger.note(event)
          hasBegun = true
        }
        guard isOpen else { break }
      }
    }
    let end = Self.milliseconds + Double(random.below(50))
    while case let rest = end - Self.milliseconds, rest > 0 {
      guard writer.listen(milliseconds: Int(rest), { ledger.note($0) }) else { break }
    }
    writer.kill()
    while writer.listen(milliseconds: 1_000, { ledger.note($0) }) {}
    return writer.status == 128 + SIGKILL ? nil : writer.status
  }

  private static var milliseconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  /// What a writer does until it is killed: writes, and tells of it on standard output.
  public static func beWriter(_ arguments: WriterArguments) throws {
    var plan = StoreLoad.Plan(
      directory: arguments.directory, seed: arguments.seed, capacityBytes: capacityBytes,
      largeBytes: largeBytes)
    plan.firstNumber = arguments.firstNumber
    plan.options.driver = arguments.driver
    plan.options.useDirectIO = arguments.isDirect
    var driver: (any DiskDriver)?
    if let fault = arguments.fault { driver = FaultDriver(try plan.options.makeDriver().0, fault) }
    let load = try StoreLoad(plan, driver: driver) { event in
      let bytes = event.bytes
      _ = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
    while true { try load.step() }
  }
}
