import ArgumentParser
import KVBMNode

/// Asks a running node for its counters.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show what a running node holds and has done.")

  @Option(help: "The node's socket. [KVBM_SOCKET]")
  var socket: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Prints the node's figures.
  ///
  /// - Throws: Exit 69 when no node answers.
  @Flag(help: "Print Prometheus's text form, for a textfile collector.")
  var prometheus = false

  func run() throws {
    let path = Environment.socketPath(socket)
    let report: String
    do throws(NodeError) {
      report = try NodeQuestion.status.ask(socketPath: path)
    } catch {
      NodeLog.error(error.description)
      throw ExitCode(error.exitCode)
    }
    if json { return printLine(report) }
    let status = try NodeStatistics(json: report)
    if prometheus { return printLine(status.prometheus) }
    for line in status.lines { printLine(line) }
  }
}
