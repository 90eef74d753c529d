import ArgumentParser
import Glibc
import KVBMNode

/// Checks this machine for all that matters to a node and its engines.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check this machine, with a remedy for each finding; exit 1 when something fails.",
    discussion: """
      OK: as it should be. WARN: works, slower or with less. FAIL: does not work. Nothing is \
      changed; a small file in the disk tier's directory is made and removed again. Run it as the \
      user that runs the engine, in its container and with its limits.
      """)

  @Option(help: "Directory of a disk tier to check. [KVBM_DISK_PATH]")
  var disk: String?

  @Option(
    help: """
      Shared store to check: file:///directory (made a store if empty) or s3://bucket/prefix. An \
      object of 1 MiB is put, got, compared and deleted. [KVBM_OBJECT_URL]
      """)
  var object: String?

  @Option(
    help: "Where the bucket is, if not at Amazon's: https://host:port. [KVBM_OBJECT_ENDPOINT]")
  var objectEndpoint: String?

  @Option(help: "Keys of encrypted blocks: a file, or env:NAME for a variable. [KVBM_KEYS]")
  var keys: String?

  @Option(help: "Socket of a node that has to answer. [KVBM_SOCKET]")
  var socket: String?

  @Option(help: "The engine's Python; without it that of this package, else python3.")
  var python: String?

  /// Importing the connector imports vLLM and with it torch, on a slow disk the first time.
  @Option(help: "Seconds to wait for it.")
  var pythonTimeout = 120

  @Flag(help: "Print JSON.")
  var json = false

  private var objectURL: String? { object ?? Environment.text("KVBM_OBJECT_URL") }

  private static let pythonTimeoutRange = 1...3_600

  /// Checks what can be before anything is looked at.
  ///
  /// - Throws: A validation error with what would be right.
  func validate() throws {
    let range = Self.pythonTimeoutRange
    guard range.contains(pythonTimeout) else {
      throw ValidationError(
        "--python-timeout is \(pythonTimeout); it must be \(range.lowerBound) to "
          + "\(range.upperBound)")
    }
    if objectEndpoint != nil && objectURL?.hasPrefix("s3://") != true {
      throw ValidationError("--object-endpoint belongs to --object s3://bucket/prefix")
    }
  }

  /// Prints one line a finding as soon as it is known.
  ///
  /// - Throws: Exit 1 when something fails.
  func run() throws {
    var findings: [Finding] = []
    func report(_ found: [Finding]) {
      findings += found
      if !json { for finding in found { printLine(finding.line) } }
    }
    report(MachineFacts.read().findings)
    if let path = disk ?? Environment.text("KVBM_DISK_PATH") {
      report(DiskFacts.probe(path).findings)
    }
    if let url = objectURL {
      let endpoint = objectEndpoint ?? Environment.text("KVBM_OBJECT_ENDPOINT")
      report([ObjectFinding.check(url: url, endpoint: endpoint)])
    }
    if let source = keys ?? Environment.text("KVBM_KEYS") {
      report(KeysFinding.check(source: source))
    }
    report([RuntimeDirectoryFacts.read().finding])
    let named = socket ?? Environment.text("KVBM_SOCKET")
    report([
      NodeFinding.check(
        socketPath: named ?? Environment.defaultSocketPath, isExpected: named != nil)
    ])
    report(engineFindings())
    let failureCount = findings.count { $0.level == .failure }
    if json {
      try printJSON(DoctorReport(isHealthy: failureCount == 0, findings: findings))
    } else {
      let warningCount = findings.count { $0.level == .warning }
      printLine("checks: \(findings.count), warnings: \(warningCount), failures: \(failureCount)")
    }
    if failureCount > 0 { throw ExitCode.failure }
  }

  private func engineFindings() -> [Finding] {
    let interpreter = python ?? InstalledPackage.interpreter ?? "python3"
    let remedy = "Name the engine's interpreter: kvbm doctor --python PATH"
    func unknown(_ text: String) -> Finding {
      python == nil
        ? .warning("vLLM", text, remedy: remedy) : .failure("vLLM", text, remedy: remedy)
    }
    let arguments = [interpreter, "-c", EngineReport.script]
    switch ChildProcess.run(arguments, timeoutSeconds: pythonTimeout) {
    case .notStarted(let code):
      return [unknown("\(interpreter) does not start: \(String(cString: strerror(code)))")]
    case .timedOut:
      return [unknown("\(interpreter) did not answer in \(pythonTimeout) s")]
    case .ended(let status, let output):
      guard let report = EngineReport(output: output) else {
        return [unknown("\(interpreter) ended with \(status) and without an answer")]
      }
      return report.findings(
        interpreter: interpreter, isExpected: python != nil, packagePath: InstalledPackage.parent)
    }
  }
}

private struct DoctorReport: Encodable {
  let isHealthy: Bool
  let findings: [Finding]
}
