import ArgumentParser
import BlockPool
import Glibc
import KVBMNode
import KVBMReplay

extension TraceFormat: ExpressibleByArgument {}

/// Plays a recorded workload on the pool of a node, under several policies and capacities.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Play a recorded workload, and say what each eviction policy makes of it.",
    discussion: """
      A block counts as hit only when all blocks of its prompt before it do. The optimum is what \
      nobody can beat: it knows the future. A trace may be gzipped.

      With --disk-blocks, or --through engine, the trace is played on the engine that a node runs, \
      over tiers of these sizes and speeds: what is loaded from where, what is written, and how \
      long prompts take to load and compute, each by itself, beside computing them whole. \
      Requests do not wait for one another, but for the disk.
      """)

  @Argument(help: "The trace: one request a line.")
  var trace: String

  @Option(
    help: """
      How the trace is written: mooncake (JSON, hash_ids), tokens (token ids), keys (JSON, keys).
      """)
  var format: TraceFormat

  @Option(help: "Blocks of the host tier; several with commas.", transform: Self.parseBlocks)
  var hostBlocks: [Int]

  @OptionGroup var tiers: ReplayTierOptions

  @Option(
    help: """
      Policies with commas: \(PolicyName.allCases.map(\.rawValue).joined(separator: ", ")); best \
      is the recommended one, all means every one. Through the engine: those that a node has; its \
      own is the default there.
      """, transform: Self.parsePolicies)
  var eviction: [PolicyName]?

  @Option(
    help: """
      What comes in, with commas: \(AdmissionName.forms.joined(separator: ", ")); through the \
      engine those that a node has, for its host tier.
      """, transform: Self.parseAdmissions)
  var admission: [AdmissionName] = [.all]

  @Option(
    name: [.customLong("block-tokens"), .customLong("block-size")],
    help: "Tokens of one block, for traces of tokens, and for times.")
  var blockSize = 16

  @Option(help: "Write the hit rates over the capacities as a picture (SVG).")
  var plot: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Plays the trace and prints a row for each policy and capacity.
  ///
  /// - Throws: Exit 65 for a trace with a bad line, 66 for one that cannot be read, 73 for a
  ///   picture that cannot be written.
  func run() throws {
    guard blockSize > 0 else { throw ValidationError("--block-tokens is \(blockSize)") }
    let setups = try tiers.setups(hostBlocks: hostBlocks, blockTokens: blockSize)
    let trace = try load()
    guard trace.blockCount > 0 else {
      throw failure(EX_DATAERR, "\(self.trace) has no blocks")
    }
    if let setups { return try play(trace, over: setups) }
    let eviction = eviction ?? [.best]
    var rows: [ReplayRow] = []
    for blocks in hostBlocks {
      let optimum = trace.optimalHitCount(capacity: blocks)
      for (policy, admission) in contenders(eviction) {
        let name = Self.name(policy, admission)
        var bar = ProgressBar("\(name), \(blocks) blocks", isQuiet: json)
        let started = Self.seconds
        let result = try policy.replay(trace, blockCount: blocks, admission: admission) {
          bar.show($0, $1, note: "\(TextTable.grouped($0)) requests")
        }
        bar.end()
        rows.append(
          ReplayRow(
            policy: policy, admission: admission, hostBlocks: blocks, result: result,
            optimum: optimum, seconds: Self.seconds - started))
      }
    }
    if let plot { try draw(rows, eviction, to: plot) }
    if !json {
      TextTable.lines(ReplayRow.table(rows)).forEach(printLine)
    } else if rows.count == 1 {
      try printJSON(rows[0])
    } else {
      try printJSON(["results": rows])
    }
  }

  private func load() throws -> Trace {
    do {
      let bytes = try TraceFile.read(trace)
      var bar = ProgressBar("reading", isQuiet: json)
      defer { bar.end() }
      return try Trace(parsing: bytes, as: format, blockTokens: blockSize) { done, total in
        bar.show(done, total, note: "\(done >> 20) MiB")
      }
    } catch let error as TraceFileError {
      throw failure(EX_NOINPUT, "\(trace): \(error)")
    } catch let error as TraceError {
      throw failure(EX_DATAERR, "\(trace):\(error)")
    }
  }

  private func draw(_ rows: [ReplayRow], _ eviction: [PolicyName], to path: String) throws {
    let lines = contenders(eviction).map { policy, admission in
      HitRatePlot.Line(
        name: Self.name(policy, admission),
        points: rows.filter { $0.policy == policy && $0.admission == admission }
          .map { ($0.hostBlocks, $0.result.hitRate) })
    }
    let limit = HitRatePlot.Line(
      name: "optimum", points: rows.map { ($0.hostBlocks, $0.optimalHitRate) })
    let name = String(trace.split(separator: "/").last ?? "")
    let picture = HitRatePlot(lines: lines + [limit], title: name).svg
    guard let file = fopen(path, "w") else {
      throw failure(EX_CANTCREAT, "\(path): \(String(cString: strerror(errno)))")
    }
    let isWritten = fputs(picture, file) >= 0
    guard fclose(file) == 0, isWritten else {
      throw failure(EX_CANTCREAT, "\(path): \(String(cString: strerror(errno)))")
    }
  }

  /// Every eviction policy with every admission.
  private func contenders(_ eviction: [PolicyName]) -> [(PolicyName, AdmissionName)] {
    eviction.flatMap { policy in admission.map { (policy, $0) } }
  }

  private static func name(_ policy: PolicyName, _ admission: AdmissionName) -> String {
    admission == .all ? policy.rawValue : "\(policy.rawValue), \(admission.rawValue)"
  }

  /// Says what is wrong; to be thrown.
  func failure(_ code: Int32, _ text: String) -> ExitCode {
    NodeLog.error(text)
    return ExitCode(code)
  }

  private static func parseBlocks(_ text: String) throws -> [Int] {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard numbers.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
      throw ValidationError("it must be numbers from 1 to \(Int32.max) with commas between them")
    }
    return numbers
  }

  private static func parsePolicies(_ text: String) throws -> [PolicyName] {
    guard let names = PolicyName.list(text) else {
      let known = PolicyName.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("it must be best, all, or of \(known)")
    }
    return names
  }

  private static func parseAdmissions(_ text: String) throws -> [AdmissionName] {
    guard let names = AdmissionName.list(text) else {
      let known = AdmissionName.forms.joined(separator: ", ")
      throw ValidationError("it must be of \(known), with commas between them")
    }
    return names
  }

  /// A clock.
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
