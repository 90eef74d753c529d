import ArgumentParser
import PoolBenchmarks

/// Measures parts of this machine's kvbm.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure, each figure beside a yardstick.",
    subcommands: [BenchCoreCommand.self, BenchTiersCommand.self])
}

/// The block pool beside a hash table and a list of C++.
struct BenchCoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "core",
    abstract: "Measure the block pool beside std::unordered_map and std::list.",
    discussion: """
      The yardstick plays the same steps on the same keys in the same run, in turns with the pool; \
      so what else the machine does weighs on both. Cycles are medians of several rounds. \
      Time is what the thread runs, without what it waits for a processor.
      """)

  @Option(help: "Blocks of the pool; several sizes with commas.")
  var blocks = Sizes(counts: [16_384, 131_072, 1_048_576])

  @Flag(help: "Print JSON, one object a size.")
  var json = false

  /// Measures each size and prints it.
  ///
  /// - Throws: Exit 1 when blocks were missed: the figures mean nothing then.
  func run() throws {
    for count in blocks.counts {
      var bar = ProgressBar("\(count) blocks", isQuiet: json)
      let report = PoolReport.measure(blockCount: count) { done, total in
        bar.show(done, total, note: "")
      }
      bar.end()
      guard let report, report.missedBlocks == 0 else {
        throw ValidationError("blocks were missed; the figures would mean nothing")
      }
      if json { try printJSON(report) } else { print(report) }
    }
  }

  private func print(_ report: PoolReport) {
    printLine("\(TextTable.grouped(report.blocks)) blocks; nanoseconds a block, of a miss a call")
    let yardstick = Self.text(report.baselineUnorderedMapNs)
    printLine("  five-step cycle on unordered_map + list: \(yardstick) ns")
    let policies = report.policies
    func row(_ name: String, _ figure: (PoolReport.Policy) -> String) -> [String] {
      [name] + policies.map(figure)
    }
    var rows = [
      row("", \.name), row("five-step cycle") { Self.text($0.fiveStepNs) },
      row("ratio") { Self.text($0.ratio, digits: 2) },
    ]
    for (place, match) in (policies.first?.match ?? []).enumerated() {
      rows.append(row("match of \(match.length), hit") { Self.text($0.match[place].hitNs) })
      rows.append(row("match of \(match.length), miss") { Self.text($0.match[place].missCallNs) })
    }
    rows += [
      row("allocate with eviction") { Self.text($0.allocateNs) },
      row("register") { Self.text($0.registerNs) }, row("release") { Self.text($0.releaseNs) },
      row("metadata, bytes a block") { Self.text($0.bytesPerBlock) },
      row("allocated after open, bytes") { String($0.bytesAllocatedAfterOpen) },
    ]
    for line in TextTable.lines(rows) { printLine("  \(line)") }
  }

  private static func text(_ value: Double, digits: Int = 1) -> String {
    let scale = digits == 1 ? 10 : 100
    let number = Int((value * Double(scale)).rounded())
    let rest = String(number % scale)
    return "\(number / scale)." + String(repeating: "0", count: digits - rest.count) + rest
  }
}

/// Sizes of pools, as `16384,131072`.
struct Sizes: ExpressibleByArgument, CustomStringConvertible {
  /// Each at least 4096.
  let counts: [Int]

  /// These sizes.
  init(counts: [Int]) { self.counts = counts }

  /// Nil unless the text is one or more numbers of 4096 to 16,777,216.
  init?(argument: String) {
    let numbers = argument.split(separator: ",").map { Int($0) ?? 0 }
    guard !numbers.isEmpty, numbers.allSatisfy({ (4096...(1 << 24)).contains($0) }) else {
      return nil
    }
    counts = numbers
  }

  /// As it is written.
  var description: String { counts.map(String.init).joined(separator: ",") }
}
