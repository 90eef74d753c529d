import DiskTier
import Glibc
import KVLayout
import Synchronization

/// Opens a store after its writer was cut off, reads all that it says it has, and holds that
/// against the ledger.
public struct RestartCheck: Sendable {
  /// Blocks that were read, and were what their number says.
  public private(set) var servedCount = 0
  /// Slots that a header named a block for, and that were found not to have it.
  public private(set) var freedCount = 0
  /// What must not be, a sentence each.
  public private(set) var violations: [String] = []
  /// What was served, by place.
  var found: [CampaignPlace: UInt64] = [:]

  /// Checks a directory.
  ///
  /// - Parameters:
  ///   - largeBytes: as the writer's.
  ///   - trustsHeaders: a planted defect: payloads are not proven.
  public init(
    directory: String, capacityBytes: Int, largeBytes: Int, _ ledger: Ledger,
    options: DiskOptions, trustsHeaders: Bool = false
  ) throws {
    let makers = try CampaignShapes(largeBytes: largeBytes).makers()
    let report = try verify(directory, ledger)
    let reader = try Reader(directory, capacityBytes, options, trustsHeaders)
    for extent in reader.store.extents {
      let memory = HeldMemory(byteCount: extent.slotBytes)
      for block in reader.store.scan(extent).blocks {
        let place = CampaignPlace(extent: extent.id, slot: block.slot)
        guard let maker = makers[extent.slotBytes],
          let number = BlockMaker.number(of: block.description)
        else {
          violations.append("\(place): a block that nobody wrote")
          continue
        }
        switch reader.read(extent, block, memory) {
        case .success:
          serve(number, at: place, isRight: maker.isMade(number, at: memory.base), ledger)
        case .corrupt: freedCount += 1
        case .failure(let code):
          violations.append("\(place): cannot be read, errno \(code)")
        }
      }
    }
    reader.store.close()
    for (place, number) in ledger.demanded where found[place] != number {
      violations.append("\(place): block \(number) was durable and is missing")
    }
    if let report, !trustsHeaders, report.intactCount != servedCount {
      violations.append("verify calls \(report.intactCount) blocks intact, \(servedCount) are")
    }
  }

  private mutating func serve(
    _ number: UInt64, at place: CampaignPlace, isRight: Bool, _ ledger: Ledger
  ) {
    if !isRight { violations.append("\(place): served other bytes than block \(number)'s") }
    if !ledger.allows(number, at: place) {
      violations.append("\(place): block \(number) is back, which was overwritten for good")
    }
    servedCount += 1
    found[place] = number
  }

  /// As `kvbm verify` does; nil where the marker is lost, without which it looks at nothing.
  private mutating func verify(
    _ directory: String, _ ledger: Ledger
  ) throws(DiskTierError) -> VerifyReport? {
    guard access(directory + "/kvbm-store.json", F_OK) == 0 else { return nil }
    let report = try StoreInspector(directory: directory).verify(recheckMicroseconds: 0)
    for damage in report.damages {
      let name = damage.path.split(separator: "/").last ?? ""
      let place = CampaignPlace(
        extent: UInt32(name.prefix(8), radix: 16) ?? 0, slot: damage.slot)
      if !ledger.isUndecided(place) { violations.append("\(place): damaged: \(damage)") }
    }
    return report
  }

  /// A store, and one read of it at a time.
  private final class Reader: Sendable {
    let store: DiskStore
    private let outcome: Outcome
    private let trustsHeaders: Bool

    private final class Outcome: Sendable {
      let value = Mutex<DiskOutcome?>(nil)
    }

    init(
      _ directory: String, _ capacityBytes: Int, _ options: DiskOptions, _ trustsHeaders: Bool
    ) throws(DiskTierError) {
      let outcome = Outcome()
      self.outcome = outcome
      self.trustsHeaders = trustsHeaders
      store = try DiskStore.open(
        directory: directory, capacityBytes: capacityBytes, options: options
      ) { _, found in outcome.value.withLock { $0 = found } }
    }

    func read(_ extent: DiskExtent, _ block: ScannedSlot, _ memory: HeldMemory) -> DiskOutcome {
      if trustsHeaders { return readUnproven(extent, block, memory) }
      outcome.value.withLock { $0 = nil }
      let isTaken = store.read(
        ticket: 1, extent: extent, slot: block.slot, into: memory.base,
        expecting: block.description.expectation)
      guard isTaken else { return .failure(errno: EAGAIN) }
      while true {
        if let found = outcome.value.withLock({ $0 }) { return found }
        sched_yield()
      }
    }

    private func readUnproven(
      _ extent: DiskExtent, _ block: ScannedSlot, _ memory: HeldMemory
    ) -> DiskOutcome {
      let fd = open(extent.path, O_RDONLY | O_CLOEXEC)
      guard fd >= 0 else { return .failure(errno: errno) }
      defer { close(fd) }
      let count = pread(fd, memory.base, extent.slotBytes, off_t(extent.offset(of: block.slot)))
      return count == extent.slotBytes ? .success : .failure(errno: errno)
    }
  }
}

extension CampaignPlace: CustomStringConvertible {
  /// In a few words.
  public var description: String { "extent \(extent), slot \(slot)" }
}
