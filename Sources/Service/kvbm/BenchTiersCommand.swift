import ArgumentParser
import Glibc
import KVBMNode
import TierBenchmarks

/// Each path between memories beside what the machine can do.
struct BenchTiersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tiers",
    abstract: "Measure copies, disk and start-up, each beside a yardstick.",
    discussion: """
      A path and its yardstick take turns, and medians are printed; so what else the machine does \
      weighs on both. Disk rows are beside fio where that is installed. Files of 1.5 GiB are made \
      in the directory and removed again. Takes about three minutes.
      """)

  @Option(help: "Directory on the disk to be measured.")
  var directory = "."

  @Option(
    help: """
      Measure only this, several times for several: \
      \(TierReport.Part.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var part: [TierReport.Part] = []

  @Flag(help: "Measure for some seconds: figures to look at, not to keep.")
  var quick = false

  @Flag(help: "Print JSON, one object a row.")
  var json = false

  /// Prints each row as soon as it is known.
  ///
  /// - Throws: Exit 1 when something could not be measured; the reason is in the log.
  func run() throws {
    let path = DirectoryFacts.absolute(directory)
    let fio = Fio.isThere ? Fio.run : nil
    if fio == nil { NodeLog.info("fio is not installed: disks are measured without it") }
    let parts = part.isEmpty ? Set(TierReport.Part.allCases) : Set(part)
    let failures = TierReport.measure(
      directory: path, quick ? .quick : .full, parts: parts, fio: fio
    ) { row in
      if json { try? printJSON(row) } else { print(row) }
    }
    for failure in failures { NodeLog.error(failure) }
    if !failures.isEmpty { throw ExitCode.failure }
  }

  private func print(_ row: TierRow) {
    var line = row.path + String(repeating: " ", count: max(1, 58 - row.path.count))
    let unit = row.gbps == nil ? "ms" : "GB/s"
    line += "\(Self.text(row.gbps ?? row.milliseconds)) \(unit)"
    if let yardstick = row.yardstick {
      line += "   \(yardstick) \(Self.text(row.yardstickGbps ?? row.yardstickMilliseconds))"
      line += "   ratio \(Self.text(row.ratio))"
    }
    if let cpu = row.cpuPerKib {
      line += "   CPU \(Self.text(cpu)) ns/KiB, yardstick \(Self.text(row.yardstickCpuPerKib))"
    }
    if let note = row.note { line += "   (\(note))" }
    printLine(line)
  }

  private static func text(_ value: Double?) -> String {
    guard let value else { return "-" }
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }
}

extension TierReport.Part: ExpressibleByArgument {}
