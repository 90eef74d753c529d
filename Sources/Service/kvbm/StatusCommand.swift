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
    for line in namespaceLines(path) { printLine(line) }
  }

  /// What the groups of the namespaces in use keep; nothing where the node does not say.
  private func namespaceLines(_ path: String) -> [String] {
    guard let answer = try? NodeQuestion.namespaces.ask(socketPath: path),
      let report = try? NamespaceReport(json: answer)
    else { return [] }
    return report.namespaces.flatMap { entry in
      let groups = GroupWords.lines(ofDescription: entry.description).map { "  \($0)" }
      return groups.isEmpty ? [] : ["namespace \(entry.digest.prefix(12))"] + groups
    }
  }
}
