import Glibc
import Testing

@testable import ObjectTier

@Suite("A real S3 server that checks signatures")
struct S3ServerTests {
  @Test("Objects go and come back, over TLS and without", arguments: [false, true])
  func roundTrip(isTLS: Bool) throws {
    let server = try RealServer(isTLS: isTLS)
    let store = try server.store()
    #expect(store.look(1) == .missing && store.get(1).outcome == .missing)
    for (number, byteCount) in [(1, 12_288), (2, 1), (3, 3 << 20)] {
      #expect(store.put(UInt64(number), byteCount) == .done)
      #expect(store.look(UInt64(number)) == .done && store.has(UInt64(number), byteCount))
    }
    let other = ObjectMemory(12_288, 99)
    let again = store.perform(.put(from: other.address, byteCount: 12_288), sampleName(1))
    #expect(again == .done && store.has(1))
    #expect(store.remove(1) == .done && store.get(1).outcome == .missing)

    let stranger = try server.store { $0.credentials?.secret += "x" }
    #expect(stranger.get(2).outcome == .failed(.denied(code: "SignatureDoesNotMatch")))
    let unknown = try server.store { $0.credentials?.accessKey = "AKIAUNKNOWN" }
    #expect(unknown.put(2) == .failed(.denied(code: "InvalidAccessKeyId")))
    let elsewhere = try server.store { $0.bucket = "no-such-bucket" }
    #expect(elsewhere.put(2) == .failed(.noBucket("no-such-bucket")))
    #expect(elsewhere.get(2).outcome == .failed(.noBucket("no-such-bucket")))

    guard isTLS else { return }
    let distrustful = try server.store { $0.caFile = nil }
    guard case .failed(.network(let text)) = distrustful.get(2).outcome else {
      Issue.record("a certificate of nobody was trusted")
      return
    }
    #expect(text.contains("certificate"))
  }
}

/// The server of `s3_server.py`, in a process of its own that ends with this object.
private final class RealServer {
  private let directory = TemporaryDirectory()
  private let isTLS: Bool
  private let input: Int32
  private let child: pid_t
  private let words: [String]

  init(isTLS: Bool) throws {
    self.isTLS = isTLS
    let here = #filePath.split(separator: "/").dropLast().map(String.init)
    let root = "/" + here.dropLast(2).joined(separator: "/")
    let python = "\(root)/build/venv-object/bin/python"
    let isThere = access(python, X_OK) == 0
    try #require(isThere, "\(python) is not there: run scripts/setup.sh venv-object")
    var arguments = [python, "/" + here.joined(separator: "/") + "/s3_server.py", directory.path]
    if isTLS { arguments.append("tls") }
    var (toChild, fromChild): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    let hasPipes = pipe(&toChild) == 0 && pipe(&fromChild) == 0
    try #require(hasPipes)
    for end in [toChild[1], fromChild[0]] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var started: pid_t = 0
    let code = posix_spawn(&started, python, &actions, nil, &pointers, environ)
    for pointer in pointers { free(pointer) }
    posix_spawn_file_actions_destroy(&actions)
    close(toChild[0])
    close(fromChild[1])
    try #require(code == 0)
    (child, input) = (started, toChild[1])
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(fromChild[0], &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
    close(fromChild[0])
    words = String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init)
    try #require(words.count == 3, "the server did not start")
  }

  deinit {
    close(input)
    var status: Int32 = 0
    waitpid(child, &status, 0)
  }

  func store(_ change: (inout S3Settings) -> Void = { _ in }) throws -> S3ObjectStore {
    try testStore("\(isTLS ? "https" : "http")://127.0.0.1:\(words[0])") {
      $0.bucket = "kvbm-test"
      $0.region = "us-east-1"
      $0.credentials = S3Credentials(accessKey: words[1], secret: words[2])
      if isTLS { $0.caFile = directory.path + "/ca.pem" }
      change(&$0)
    }
  }
}
