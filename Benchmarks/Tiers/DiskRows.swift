import DiskTier
import Glibc
import KVLayout
import Synchronization

/// A disk's reads and writes through the tier's drivers.
struct DiskRows {
  /// Where files are made.
  let directory: String
  /// How often each path and its yardstick take turns.
  let repeats: Int
  /// How long one turn lasts.
  let seconds: Double
  /// What of it.
  let parts: Set<TierReport.Part>
  /// What the same transfers do in fio; nil when there is none.
  let fio: TierReport.Fio?
  /// Hears of each row.
  let report: (TierRow) -> Void

  private static let fileBytes = 1 << 29
  private static let depth = 32
  private static let writeDepth = 8

  /// All rows that a file is enough for. Returns what made that impossible, as a sentence.
  func measure() -> String? {
    guard !parts.isDisjoint(with: [.disk, .staging, .mixed]) else { return nil }
    var code: Int32 = 0
    guard let file = BenchFile(directory: directory, byteCount: Self.fileBytes, code: &code) else {
      return "\(directory): \(String(cString: strerror(code)))"
    }
    for slotBytes in parts.contains(.disk) ? [64 << 10, 256 << 10, 1 << 20, 2 << 20] : [] {
      for isRead in [true, false] { measureFlow(file, slotBytes, isRead) }
    }
    for slotBytes in parts.contains(.staging) ? [64 << 10, 256 << 10] : [] {
      measureStaging(file, slotBytes)
    }
    if parts.contains(.mixed) { measureMixed(file) }
    return nil
  }

  // MARK: Beside fio

  private func measureFlow(_ file: BenchFile, _ slotBytes: Int, _ isRead: Bool) {
    let depth = isRead ? Self.depth : Self.writeDepth
    let way = isRead ? "read" : "write"
    let size = Self.text(slotBytes)
    for driverName in [DiskOptions.Driver.ring, .threads] {
      guard let driver = try? Self.driver(driverName) else { continue }
      defer { driver.shutdown() }
      var ours: [DiskFlow.Result] = []
      var theirs: [TierReport.FioFigures] = []
      var turns: [Turn] = []
      for _ in 0..<repeats {
        guard
          let flow = DiskFlow(
            driver, file, isRead ? .read : .write(flush: false), slotBytes: slotBytes,
            laneCount: depth, seconds: seconds)
        else { return }
        let result = flow.wait()
        guard result.errno == 0 else { return }
        ours.append(result)
        let yardstick = fio?(
          TierReport.FioQuestion(
            path: file.path, isRead: isRead, blockBytes: slotBytes, depth: depth,
            isDirect: file.isDirect, byteCount: file.byteCount, seconds: seconds))
        if let yardstick { theirs.append(yardstick) }
        turns.append(Turn(value: result.gbps, yardstick: yardstick?.gbps))
      }
      var row = TierRow.speed(
        "G3 \(way), \(size), \(depth) deep, \(driver.name)",
        beside: "fio, io_uring", turns)
      row.cpuPerKib = median(ours.map(\.cpuPerKib))
      row.yardstickCpuPerKib = median(theirs.map(\.cpuPerKib))
      if fio == nil { row.note = "no fio here" }
      if !file.isDirect { row.note = "through the page cache" }
      report(row)
    }
  }

  // MARK: What a request waits for

  /// A request's blocks are asked for at once; what counts is when the last one is checked.
  private func measureStaging(_ file: BenchFile, _ slotBytes: Int) {
    guard let ring = try? Self.driver(.ring), let threads = try? Self.driver(.threads),
      let region = Region(Self.stagedBlocks * slotBytes)
    else { return }
    defer {
      ring.shutdown()
      threads.shutdown()
    }
    var random = SystemRandomNumberGenerator()
    func stage(_ driver: any DiskDriver) -> Double {
      let done = Mutex(0)
      let start = Machine.seconds
      for index in 0..<Self.stagedBlocks {
        let slot = Int.random(in: 0..<file.byteCount / slotBytes, using: &random)
        let memory = SlotAddress(region.base + index * slotBytes)
        let isTaken = driver.submit(
          DiskJob(
            direction: .read, fd: file.fd, offset: Int64(slot * slotBytes), address: memory,
            byteCount: slotBytes
          ) { _ in
            // As proving a block does: each byte once through the checksum.
            Checksum.take(memory, slotBytes)
            done.withLock { $0 += 1 }
          })
        if !isTaken { done.withLock { $0 += 1 } }
      }
      while done.withLock({ $0 }) < Self.stagedBlocks { usleep(20) }
      return (Machine.seconds - start) * 1e3
    }
    var turns: [Turn] = []
    for _ in 0..<repeats * 10 {
      turns.append(Turn(value: stage(ring), yardstick: stage(threads)))
      usleep(5_000)
    }
    report(
      .time(
        "G3 to G2, \(Self.stagedBlocks) blocks of \(Self.text(slotBytes)), checked",
        beside: "2 threads", turns))
  }

  private static let stagedBlocks = 30

  // MARK: Reads while writing

  private func measureMixed(_ file: BenchFile) {
    let slotBytes = 256 << 10
    for name in [DiskOptions.Driver.ring, .threads] {
      guard let driver = try? Self.driver(name) else { continue }
      defer { driver.shutdown() }
      func p99(while writing: Bool) -> Double? {
        // Written and read places are apart; writes go on until the reads have ended.
        let writes =
          writing
          ? DiskFlow(
            driver, file, .write(flush: false), slotBytes: slotBytes, part: 0.5...1,
            laneCount: 32, seconds: seconds) : nil
        let reads = DiskFlow(
          driver, file, .read, slotBytes: slotBytes, part: 0...0.5, laneCount: 4,
          seconds: seconds)
        let result = reads?.wait()
        _ = writes?.wait()
        return result.map { $0.percentile(99) }
      }
      var turns: [Turn] = []
      for _ in 0..<repeats {
        guard let mixed = p99(while: true), let alone = p99(while: false) else { return }
        turns.append(Turn(value: mixed, yardstick: alone))
      }
      var row = TierRow.time(
        "G3 read p99, \(Self.text(slotBytes)), 4 deep, while writing, \(driver.name)",
        beside: "alone", turns)
      row.note = "32 writes wait at any time"
      report(row)
    }
  }

  /// A driver as a node has it.
  private static func driver(_ name: DiskOptions.Driver) throws -> any DiskDriver {
    name == .ring ? try IOUringDriver(depth: depth) : try ThreadPoolDriver()
  }

  private static func text(_ bytes: Int) -> String {
    bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
  }
}
