import ArgumentParser
import KVBMNode

/// Says why a request got what it got, or what namespaces are made of.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say what a request found in the cache, and why not more.",
    discussion: """
      The node remembers its latest 4,096 requests, and why the latest 65,536 blocks left a tier. \
      With --namespaces it says what the namespaces that engines use are made of; two digests (or \
      their beginnings) after it show what differs between them.
      """)

  @Argument(help: "A request's id in its engine; without one, the latest requests.")
  var names: [String] = []

  @Flag(help: "Show namespaces instead of requests.")
  var namespaces = false

  @Option(help: "The node's socket. [KVBM_SOCKET]")
  var socket: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if namespaces ? names.count > 2 : names.count > 1 {
      throw ValidationError("one request, or at most two namespaces")
    }
  }

  func run() throws {
    let path = Environment.socketPath(socket)
    do throws(NodeError) {
      let question = namespaces ? NodeQuestion.namespaces : .request(names.first ?? "")
      let answer = try question.ask(socketPath: path)
      try namespaces ? showNamespaces(answer) : showRequests(answer)
    } catch {
      NodeLog.error(error.description)
      throw ExitCode(error.exitCode)
    }
  }

  private func showRequests(_ answer: String) throws(NodeError) {
    guard let explanation = try? Explanation(json: answer) else { throw Self.unreadable }
    if explanation.requests.isEmpty, let name = names.first {
      throw .unreachable("the node remembers no request \(name)")
    }
    if json { return printLine(answer) }
    for line in explanation.lines { printLine(line) }
  }

  private func showNamespaces(_ answer: String) throws(NodeError) {
    guard let report = try? NamespaceReport(json: answer) else { throw Self.unreadable }
    if json { return printLine(answer) }
    guard names.count == 2 else {
      for entry in report.namespaces where names.isEmpty || entry.digest.hasPrefix(names[0]) {
        printLine(entry.digest)
        for line in GroupWords.lines(ofDescription: entry.description) { printLine("  \(line)") }
        printLine("  \(entry.description)")
      }
      return
    }
    let found = names.map { name in report.namespaces.first { $0.digest.hasPrefix(name) } }
    guard let first = found[0], let second = found[1] else {
      throw .unreachable("the node knows no namespace \(found[0] == nil ? names[0] : names[1])")
    }
    let differences = NamespaceReport.differences(first.description, second.description)
    for line in differences ?? ["a description is no JSON object"] { printLine(line) }
  }

  private static let unreadable = NodeError.unreachable(
    "the node's answer cannot be read: is it of another release?")
}
