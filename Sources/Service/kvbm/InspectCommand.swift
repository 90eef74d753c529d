import ArgumentParser
import DiskTier
import FoundationEssentials
import Glibc
import KVBMNode
import KVLayout
import Protection

/// Says what a store on disk holds, by the headers of its slots.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a disk tier holds: namespaces, blocks, bytes, ages.",
    discussion: "Reads headers only and disturbs no node that serves from the directory.")

  @Option(help: "The disk tier's directory. [KVBM_DISK_PATH]")
  var disk: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Prints the summary.
  ///
  /// - Throws: Exit 64 without a path, 66 when the store cannot be opened.
  func run() throws {
    let inspector = try StoreAccess.open(disk)
    var bar = ProgressBar("headers", isQuiet: json)
    let summary = inspector.summary { done, total in
      bar.show(done, total, note: "\(done) of \(total) slots")
    }
    bar.end()
    let report = InspectReport(summary, store: inspector.storeID)
    if json { try printJSON(report) } else { report.lines.forEach(printLine) }
  }
}

/// Opens stores for the commands that only look.
enum StoreAccess {
  /// Not 1: that is for a store with damage in it.
  private static let noStoreExitCode: Int32 = 66

  /// - Throws: A validation error without a path; exit 66 with the reason when it cannot be opened.
  static func open(_ path: String?, keys: KeyRing? = nil) throws -> StoreInspector {
    guard let path = path ?? Environment.text("KVBM_DISK_PATH") else {
      throw ValidationError("--disk is missing; it must be the path of a disk tier's directory")
    }
    do throws(DiskTierError) {
      return try StoreInspector(directory: path, keys: keys)
    } catch {
      NodeLog.error("\(error)")
      throw ExitCode(noStoreExitCode)
    }
  }
}

private struct InspectReport: Encodable {
  struct Namespace: Encodable {
    let digest: String
    /// The canonical description, where the store has it.
    let description: String?
    let blocks: Int
    let bytes: Int
    let oldestSeconds: Double
    let newestSeconds: Double
    let engines: [String: Int]
  }

  let store: String
  let extents: Int
  let extentBytes: Int64
  let slots: Int
  let blocks: Int
  /// Of those, encrypted ones, by the key's id.
  let encrypted: [String: Int]
  let free: Int
  let damagedHeaders: Int
  let otherVersion: Int
  let unreadable: Int
  let namespaces: [Namespace]
  let warnings: [String]

  init(_ summary: StoreSummary, store: String) {
    self.store = store
    extents = summary.extentCount
    extentBytes = summary.extentBytes
    slots = summary.slotCount
    blocks = summary.blockCount
    encrypted = Dictionary(
      uniqueKeysWithValues: summary.protectedCounts.map {
        (SlotProtection.text(ofKey: $0.key), $0.value)
      })
    free = summary.freeCount
    damagedHeaders = summary.damagedCount
    otherVersion = summary.otherVersionCount
    unreadable = summary.unreadableCount
    warnings = summary.warnings
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let seconds = Double(now.tv_sec)
    namespaces = summary.namespaces.map {
      Namespace(
        digest: $0.namespace.digest.description,
        description: $0.description.map { String(decoding: $0, as: UTF8.self) },
        blocks: $0.blockCount, bytes: $0.slotBytes,
        oldestSeconds: max(0, seconds - Double($0.oldestUnixNanoseconds) / 1e9),
        newestSeconds: max(0, seconds - Double($0.newestUnixNanoseconds) / 1e9),
        engines: $0.blocksByEngine)
    }
  }

  var lines: [String] {
    var lines = [
      "store \(store): \(extents) extents, \(ByteSize(bytes: Int(extentBytes)))",
      "slots \(slots): \(blocks) blocks, \(free) free, \(damagedHeaders) damaged headers, "
        + "\(otherVersion) of another version, \(unreadable) unreadable",
    ]
    for (key, count) in encrypted.sorted(by: { $0.key < $1.key }) {
      lines.append("\(count) blocks are encrypted with \(key)")
    }
    for space in namespaces {
      lines.append("namespace \(space.digest)")
      lines.append(
        "  \(space.blocks) blocks, \(ByteSize(bytes: space.bytes)), "
          + "made \(age(space.oldestSeconds)) to \(age(space.newestSeconds)) ago")
      for (engine, count) in space.engines.sorted(by: { $0.key < $1.key }) {
        lines.append("  by \(engine.isEmpty ? "an unnamed engine" : engine): \(count)")
      }
      if let description = space.description {
        lines += GroupWords.lines(ofDescription: description).map { "  \($0)" }
        lines.append("  \(description)")
      }
    }
    return lines + warnings.map { "warning: \($0)" }
  }

  private func age(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: "\(Int(seconds)) s"
    case ..<7_200: "\(Int(seconds / 60)) min"
    case ..<172_800: "\(Int(seconds / 3_600)) h"
    default: "\(Int(seconds / 86_400)) days"
    }
  }
}
