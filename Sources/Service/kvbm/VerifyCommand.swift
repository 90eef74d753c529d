import ArgumentParser
import DiskTier
import KVBMNode
import KVLayout

/// Reads and checks every block of a store on disk.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read and check every block of a disk tier; exit 1 when something is damaged.",
    discussion: """
      Changes nothing. A damaged block is no danger: a node checks what it reads, and drops it. \
      While a node serves from the directory the answer is a moment's picture.
      """)

  @Option(help: "The disk tier's directory. [KVBM_DISK_PATH]")
  var disk: String?

  @Option(help: "Keys of encrypted blocks: a file, or env:NAME for a variable. [KVBM_KEYS]")
  var keys: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Checks every block and prints what is damaged.
  ///
  /// - Throws: Exit 1 for damage or a warning, 64 without a path, 66 when the store cannot be
  ///   opened.
  func run() throws {
    let inspector = try StoreAccess.open(disk, keys: Keys.read(keys))
    var bar = ProgressBar("blocks", isQuiet: json)
    let report = inspector.verify { done, total in
      bar.show(
        Int(done), Int(total),
        note: "\(ByteSize(bytes: Int(done))) of \(ByteSize(bytes: Int(total)))")
    }
    bar.end()
    let isSound = report.damageCount == 0 && report.warnings.isEmpty
    if json {
      try printJSON(VerifyOutput(report))
    } else {
      for damage in report.damages { printLine("damaged: \(damage)") }
      for warning in report.warnings { printLine("warning: \(warning)") }
      printLine(
        "\(report.intactCount) blocks intact (\(ByteSize(bytes: report.checkedBytes)) checked), "
          + "\(report.damageCount) damaged, \(report.freeCount) slots free, "
          + "\(report.otherVersionCount) of another version")
      for (keyID, count) in report.lockedCounts.sorted(by: { $0.key < $1.key }) {
        printLine(
          "not checked: \(count) blocks, encrypted with \(SlotProtection.text(ofKey: keyID)); "
            + "give it with --keys")
      }
    }
    if !isSound { throw ExitCode.failure }
  }
}

private struct VerifyOutput: Encodable {
  struct Damage: Encodable {
    let path: String
    let slot: Int
    let byteOffset: Int64
    let reason: String
  }

  let intact: Int
  let free: Int
  let otherVersion: Int
  let locked: Int
  let checkedBytes: Int
  let damaged: Int
  let damages: [Damage]
  let warnings: [String]

  init(_ report: VerifyReport) {
    intact = report.intactCount
    free = report.freeCount
    otherVersion = report.otherVersionCount
    locked = report.lockedCounts.values.reduce(0, +)
    checkedBytes = report.checkedBytes
    damaged = report.damageCount
    warnings = report.warnings
    damages = report.damages.map {
      Damage(path: $0.path, slot: $0.slot, byteOffset: $0.byteOffset, reason: "\($0)")
    }
  }
}
