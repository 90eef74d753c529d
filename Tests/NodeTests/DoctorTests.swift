import Glibc
import Testing

@testable import KVBMNode

@Suite("Doctor")
struct DoctorTests {
  /// A machine on which all is well.
  private var sound: MachineFacts {
    var facts = MachineFacts()
    facts.openFiles = MachineFacts.Limit(soft: 65_536, hard: nil)
    facts.lockedBytes = MachineFacts.Limit(soft: 8 << 20, hard: nil)
    facts.availableBytes = 64 << 30
    facts.sharedHugePages = "always [within_size] advise never deny force"
    facts.kernel = "5.14.0-427.el9.x86_64"
    facts.glibc = "2.34"
    return facts
  }

  private func finding(
    _ check: String, _ change: (inout MachineFacts) -> Void
  ) throws -> Finding {
    var facts = sound
    change(&facts)
    return try #require(facts.findings.first { $0.check == check })
  }

  @Test("A sound machine has nothing but OK, and no remedies")
  func allWell() {
    for finding in sound.findings {
      #expect(finding.level == .fine, "\(finding.line)")
      #expect(finding.remedy == nil)
    }
  }

  @Test("Each fact that is wrong is found, and has a remedy")
  func eachFault() throws {
    let found = [
      try finding("kernel") { $0.kernel = "5.2.9" },
      try finding("glibc") { $0.glibc = "2.31" },
      try finding("memory") { $0.availableBytes = 100 << 20 },
      try finding("file size limit") { $0.fileBytes.soft = 1 << 30 },
      try finding("open files") { $0.openFiles.soft = 64 },
      try finding("memfd") { $0.memfdError = EPERM },
      try finding("pidfd") { $0.pidfdError = ENOSYS },
    ]
    for finding in found {
      #expect(finding.level == .failure, "\(finding.line)")
      #expect(finding.remedy?.isEmpty == false)
    }
  }

  @Test("What works with less is a warning")
  func warnings() throws {
    let found = [
      try finding("memory") { $0.availableBytes = 2 << 30 },
      try finding("memory") { $0.availableBytes = nil },
      try finding("open files") { $0.openFiles.soft = 256 },
      try finding("file size limit") { $0.fileBytes.soft = 65 << 30 },
      try finding("huge pages") { $0.sharedHugePages = "always within_size [never]" },
      try finding("kernel") { $0.kernel = "strange" },
    ]
    for finding in found { #expect(finding.level == .warning, "\(finding.line)") }
  }

  @Test("Without io_uring it works, slower")
  func ioUring() throws {
    let finding = try finding("io_uring") { $0.ioUringError = EPERM }
    #expect(finding.level == .warning)
    #expect(finding.text.contains("Operation not permitted"))
  }

  @Test("Keys are judged by what is in them, and encryption by its speed")
  func keys() {
    #expect(KeysFinding.judge(2.34).text == "AES-256-GCM at 2.3 GB/s a thread")
    #expect(KeysFinding.judge(2.34).level == .fine && KeysFinding.judge(0.2).level == .warning)
    #expect(KeysFinding.judge(nil).level == .failure)
    setenv("KEYS_FOR_DOCTOR", String(repeating: "a", count: 64), 1)
    let found = KeysFinding.check(source: "env:KEYS_FOR_DOCTOR")
    #expect(found.map(\.check) == ["keys", "encryption"] && found[0].level == .fine)
    unsetenv("KEYS_FOR_DOCTOR")
    let missing = KeysFinding.check(source: "env:KEYS_FOR_DOCTOR")
    #expect(missing.map(\.level) == [.failure])
    #expect(missing[0].text == "the variable KEYS_FOR_DOCTOR is not set")
  }

  @Test("This machine's facts can be read")
  func thisMachine() {
    let facts = MachineFacts.read()
    #expect(MachineFacts.version(facts.kernel) != nil)
    #expect(MachineFacts.version(facts.glibc) != nil)
    #expect(facts.memfdError == 0)
    #expect(facts.availableBytes ?? 0 > 0)
  }

  @Test("A disk is judged by what its file system did")
  func disk() {
    var facts = DiskFacts.probe("/tmp/kvbm-doctor-test-\(getpid())/deeper")
    #expect(!facts.directory.exists)
    #expect(facts.directory.nearest == "/tmp")
    #expect(facts.writeError == 0)
    facts.filesystem = 0x6969
    facts.supportsDirectIO = false
    #expect(facts.findings.contains { $0.check == "disk type" && $0.level == .warning })
    #expect(facts.findings.contains { $0.check == "O_DIRECT" && $0.level == .warning })
    facts.writeError = EROFS
    #expect(facts.findings.map(\.level) == [.failure])
    #expect(DiskFacts.probe("/proc/version/x").findings.map(\.level) == [.failure])
  }

  @Test("The runtime directory is the connector's, and has to be this user's")
  func runtimeDirectory() {
    #expect(RuntimeDirectoryFacts.choose(base: "/tmp", uid: 7) == "/tmp/kvbm")
    #expect(RuntimeDirectoryFacts.choose(base: "/no/such", uid: 7) == "/tmp/kvbm-7")
    #expect(RuntimeDirectoryFacts.choose(base: nil, uid: 7) == "/tmp/kvbm-7")
    var facts = RuntimeDirectoryFacts(path: "/tmp/kvbm-7")
    #expect(facts.finding.level == .fine)
    facts.exists = true
    facts.mode = 0o755
    #expect(facts.finding.level == .warning)
    facts.isOwn = false
    #expect(facts.finding.level == .failure)
    facts.isOwn = true
    facts.obstacle = "/tmp: Permission denied"
    #expect(facts.finding.level == .failure)
  }

  @Test("A node is known by its report")
  func node() {
    func level(_ report: String) -> Finding.Level {
      NodeFinding.judge(report, socketPath: "/s").level
    }
    #expect(level("{\"version\": \"\(NodeVersion.text)\", \"degraded\": []}") == .fine)
    #expect(level("{\"version\": \"0.0.1\"}") == .warning)
    #expect(level("{\"version\": \"\(NodeVersion.text)\", \"degraded\": [\"x\"]}") == .warning)
    #expect(level("{}") == .failure)
    #expect(level("hello") == .failure)
    #expect(NodeFinding.check(socketPath: "/tmp/none", isExpected: false).level == .fine)
    #expect(NodeFinding.check(socketPath: "/tmp/none", isExpected: true).level == .failure)
  }

  @Test("An interpreter's report is found among what else it prints")
  func engineReport() throws {
    let report = try #require(
      EngineReport(
        output: """
          Triton is installed
          KVBM-DOCTOR {"python": "3.11.7", "vllm": "0.32.1+cpu", "tried": ["0.32.0"], \
          "library": "\(NodeVersion.text)", "connector": "/x/vllm.py"}
          what a library says at exit
          """))
    let findings = report.findings(interpreter: "p", isExpected: true, packagePath: "/x")
    #expect(findings.map(\.level) == [.fine, .fine, .fine])
    #expect(EngineReport(output: "nothing") == nil)
  }

  @Test("Another vLLM is a warning, none a failure where one was named")
  func engineVersions() {
    var report = EngineReport(python: "3.11.7")
    func levels(expected: Bool) -> [Finding.Level] {
      report.findings(interpreter: "p", isExpected: expected, packagePath: "/x").map(\.level)
    }
    #expect(levels(expected: false) == [.warning])
    #expect(levels(expected: true) == [.failure])
    report.vllm = "0.32.0"
    #expect(levels(expected: true) == [.fine, .failure, .failure])
    report.connector = "/x"
    report.library = "0.0.1"
    report.tried = ["0.31.0"]
    #expect(levels(expected: true) == [.warning, .warning, .fine])
  }
}
