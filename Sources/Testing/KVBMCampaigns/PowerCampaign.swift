import DiskTier
import Glibc
import KVBMTesting
import KVLayout
import Synchronization

/// What a campaign saw.
public struct CampaignReport: Sendable {
  /// Restarts, each from another image or after another kill.
  public var restartCount = 0
  /// Blocks that were there and right, over all restarts.
  public var servedCount = 0
  /// Slots that were found not to hold what their header said.
  public var freedCount = 0
  /// Blocks that had to be there, over all restarts.
  public var demandedCount = 0
  /// What must not be, a sentence each; the campaign ends with the first restart that has one.
  public var violations: [String] = []

  mutating func add(_ check: RestartCheck, _ ledger: Ledger, _ name: String) {
    restartCount += 1
    servedCount += check.servedCount
    freedCount += check.freedCount
    demandedCount += ledger.demanded.count
    violations += check.violations.map { "\(name): \($0)" }
  }
}

/// Loses power at random moments while a store is written to, in a simulated device, and restarts
/// from what the device may have kept.
///
/// Sessions of `imagesPerSession` images each; half of them flush every write, and there nothing
/// may be lost that was told to be durable; in none may anything be served that is not right.
public struct PowerCampaign {
  private let seed: UInt64
  private let imageCount: Int
  private let directory: String
  private let fault: CampaignFault?

  private static let imagesPerSession = 20
  private static let capacityBytes = 1 << 20
  private static let largeBytes = 32 << 10

  /// A campaign; `parent` is where its files are while it runs.
  public init(seed: UInt64, imageCount: Int, parent: String, fault: CampaignFault?) throws {
    self.seed = seed
    self.imageCount = imageCount
    self.fault = fault
    directory = try Scratch.directory(in: parent)
  }

  /// Plays it until an image shows a violation.
  ///
  /// - Parameter progress: hears of each image that was checked.
  public func run(_ progress: (Int) -> Void = { _ in }) throws -> CampaignReport {
    defer { Scratch.remove(directory) }
    var report = CampaignReport()
    var session: UInt64 = 0
    while report.restartCount < imageCount, report.violations.isEmpty {
      session += 1
      let isLast = imageCount - report.restartCount
      try play(session, imageCount: min(Self.imagesPerSession, isLast), &report, progress)
    }
    return report
  }

  /// A run of a store up to a clean stop, and one that goes on from there.
  private func play(
    _ session: UInt64, imageCount: Int, _ report: inout CampaignReport, _ progress: (Int) -> Void
  ) throws {
    var random = Random(seed: Random.mix(seed) &+ session)
    let source = "\(directory)/store-\(session)"
    defer { Scratch.remove(source) }
    // Planted defects are of no account where nothing is promised.
    let isFlushed = session % 2 == 1 || fault != nil
    let ledger = SharedLedger()
    var device = RecordingDriver.State()
    for run in 0..<2 {
      var options = DiskOptions()
      options.driver = random.oneIn(2) ? .threads : .auto
      options.useDirectIO = false
      options.flush = isFlushed ? .each : .never
      let recorder = RecordingDriver(try options.makeDriver().0, device)
      options.flushNames = { [fault] directory in
        switch fault {
        case .unflushedNames: 0
        case .staleIndex where !directory.hasSuffix("/extents"): 0
        default: recorder.flushNames(directory)
        }
      }
      let load = try self.load(source, options, recorder, ledger, session, run, random.next())
      for image in 0..<(run == 0 ? imageCount / 2 : imageCount - imageCount / 2) {
        for _ in 0..<random.below(40) { try load.step() }
        // In this order: what the ledger calls durable by now, the device has by then.
        let known = ledger.value.withLock { $0 }
        let check = try restart(recorder.snapshot, source, seed: random.next(), known)
        report.add(check, known, "session \(session), run \(run), image \(image)")
        progress(report.restartCount)
        if !report.violations.isEmpty { break }
      }
      load.end()
      guard report.violations.isEmpty else { return }
      device = recorder.snapshot
      device.index = try Self.index(of: source)
    }
  }

  private func load(
    _ source: String, _ options: DiskOptions, _ recorder: RecordingDriver, _ ledger: SharedLedger,
    _ session: UInt64, _ run: Int, _ seed: UInt64
  ) throws -> StoreLoad {
    var driver: any DiskDriver = recorder
    if let fault { driver = FaultDriver(driver, fault) }
    var plan = StoreLoad.Plan(
      directory: source, seed: seed, capacityBytes: Self.capacityBytes,
      largeBytes: Self.largeBytes)
    plan.firstNumber = (2 * session + UInt64(run)) << 32
    plan.laneCount = 8
    plan.options = options
    let isFlushed = options.flush == .each
    return try StoreLoad(plan, driver: driver) { event in
      if case .durable = event, !isFlushed { return }
      ledger.value.withLock { $0.note(event) }
    }
  }

  /// What a clean stop has left in a directory.
  private static func index(
    of source: String
  ) throws(DiskTierError) -> RecordingDriver.DeletedIndex? {
    guard let bytes = try Directory.read(source + "/kvbm-index", limit: 1 << 26) else { return nil }
    var times: [String: timespec] = [:]
    for name in try Directory.list(source + "/extents") {
      var status = stat()
      if stat(source + "/extents/" + name, &status) == 0 { times[name] = status.st_mtim }
    }
    return RecordingDriver.DeletedIndex(bytes: bytes, times: times)
  }

  private func restart(
    _ device: RecordingDriver.State, _ source: String, seed: UInt64, _ ledger: Ledger
  ) throws -> RestartCheck {
    let path = directory + "/image"
    defer { Scratch.remove(path) }
    var image = PowerImage(seed: seed, path: path)
    try image.make(of: device, source: source)
    var options = DiskOptions()
    options.useDirectIO = false
    return try RestartCheck(
      directory: path, capacityBytes: Self.capacityBytes, largeBytes: Self.largeBytes, ledger,
      options: options, trustsHeaders: fault == .trustHeader)
  }
}

/// A ledger that several threads write into.
final class SharedLedger: Sendable {
  /// The ledger.
  let value = Mutex(Ledger())
}
