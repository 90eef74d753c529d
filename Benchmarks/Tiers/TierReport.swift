import DiskTier
import KVLayout

/// `kvbm bench tiers`: each path between memories beside what the machine can do.
public struct TierReport {
  /// What fio is asked.
  public struct FioQuestion: Sendable {
    /// The file, which is there and full.
    public let path: String
    /// Reads, or writes.
    public let isRead: Bool
    /// Bytes of one transfer.
    public let blockBytes: Int
    /// Transfers at a time.
    public let depth: Int
    /// Around the page cache.
    public let isDirect: Bool
    /// Of the file.
    public let byteCount: Int
    /// How long.
    public let seconds: Double
  }

  /// What fio answers.
  public struct FioFigures: Sendable {
    /// Bytes a nanosecond.
    public var gbps: Double
    /// Nanoseconds of a processor for each KiB.
    public var cpuPerKib: Double

    /// Figures of one run.
    public init(gbps: Double, cpuPerKib: Double) {
      self.gbps = gbps
      self.cpuPerKib = cpuPerKib
    }
  }

  /// Runs fio; nil when it does not work.
  public typealias Fio = (FioQuestion) -> FioFigures?

  /// What can be measured by itself.
  public enum Part: String, CaseIterable, Sendable {
    /// Between device memory and slots.
    case copies
    /// What encryption and authentication of slots cost.
    case protection
    /// Reads and writes beside fio.
    case disk
    /// A request's blocks from disk, checked.
    case staging
    /// Reads while writing.
    case mixed
    /// A full store's slots at the start.
    case scan
  }

  /// How much is measured.
  public struct Extent: Sendable {
    /// Turns of a path and its yardstick.
    public var repeats: Int
    /// Seconds of one turn on a disk.
    public var seconds: Double
    /// Slots of the store that is scanned.
    public var scannedSlots: Int

    /// About two minutes.
    public static let full = Extent(repeats: 5, seconds: 1, scannedSlots: 100_000)
    /// Some seconds, for a look.
    public static let quick = Extent(repeats: 1, seconds: 0.2, scannedSlots: 2_000)
  }

  /// Measures everything; each row is reported when it is known.
  ///
  /// - Parameters:
  ///   - directory: on the disk to be measured; needs 1.5 GiB, which are given back.
  ///   - parts: what of it.
  ///   - fio: how fio is run; nil where there is none.
  /// - Returns: what could not be measured, a sentence each.
  public static func measure(
    directory: String, _ extent: Extent, parts: Set<Part> = Set(Part.allCases), fio: Fio?,
    _ report: (TierRow) -> Void
  ) -> [String] {
    if parts.contains(.copies) { HostRows.measure(repeats: extent.repeats, report) }
    if parts.contains(.protection) { ProtectionRows.measure(repeats: extent.repeats, report) }
    return withoutActuallyEscaping(report) { report in
      let disk = DiskRows(
        directory: directory, repeats: extent.repeats, seconds: extent.seconds, parts: parts,
        fio: fio, report: report)
      let scan = ScanRow(directory: directory, slotCount: extent.scannedSlots)
      let isScanned = parts.contains(.scan)
      return [disk.measure(), isScanned ? scan.measure(report) : nil].compactMap { $0 }
    }
  }
}

/// The checksum over a whole slot, as verifying it makes it.
enum Checksum {
  /// Takes it, and drops the result.
  static func take(_ memory: SlotAddress, _ byteCount: Int) {
    let bytes = UnsafeRawBufferPointer(start: memory.pointer, count: byteCount)
    let sum = SlotHeader.headChecksum(bytes, key: .none, group: 0, head: 0)
    withExtendedLifetime(sum) {}
  }
}
