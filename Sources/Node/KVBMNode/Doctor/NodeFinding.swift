/// Whether a node answers at a socket, and whether it is of this release.
public enum NodeFinding {
  /// Asks the node; waits some seconds for one that is silent.
  ///
  /// - Parameter isExpected: whether somebody named the socket, so that a node has to be there.
  public static func check(socketPath: String, isExpected: Bool) -> Finding {
    do throws(NodeError) {
      let report = try NodeQuestion.status.ask(socketPath: socketPath)
      return judge(report, socketPath: socketPath)
    } catch {
      guard isExpected else {
        return .fine("node", "none at \(socketPath); a connector starts its own")
      }
      return .failure(
        "node", error.description,
        remedy: "Start it: kvbm serve --socket \(socketPath) --host-capacity SIZE")
    }
  }

  /// A judgement of a node's own report. Pure.
  static func judge(_ report: String, socketPath: String) -> Finding {
    guard case .text(let version) = (try? JSONValue(json: Array(report.utf8)))?.members?["version"]
    else {
      return .failure(
        "node", "what answers at \(socketPath) is no node that this release knows",
        remedy: "Start it again from this release")
    }
    let degraded: [JSONValue]
    if case .list(let reasons) = (try? JSONValue(json: Array(report.utf8)))?.members?["degraded"] {
      degraded = reasons
    } else {
      degraded = []
    }
    guard version == NodeVersion.text else {
      return .warning(
        "node", "version \(version) at \(socketPath); this command is \(NodeVersion.text)",
        remedy: "Start it again from the same release as the engines'")
    }
    if let first = degraded.first {
      return .warning(
        "node", "version \(version) at \(socketPath) does less than it was asked to: \(first)",
        remedy: "See kvbm status --socket \(socketPath)")
    }
    return .fine("node", "version \(version) answers at \(socketPath)")
  }
}
