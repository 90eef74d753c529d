import Glibc
import Synchronization
import Testing

@testable import ObjectTier

@Suite("A bucket's server that fails")
struct S3FaultTests {
  static let content = ObjectMemory.content(12_288, 1)

  /// A get of an object of 12,288 bytes from a server that does the same with every request.
  private func get(
    seconds: Double = 60, attempts: Int = 2, _ steps: HTTPStep...
  ) throws -> (ObjectOutcome?, ObjectMemory, ObjectFigures, HTTPServer) {
    let server = HTTPServer { _ in steps }
    let store = try testStore(server.url) { $0.attemptLimit = attempts }
    let (outcome, memory) = store.get(1, seconds: seconds)
    #expect(memory.isGuarded)
    return (outcome, memory, store.figures, server)
  }

  @Test("What may be better the next time is tried again", arguments: [500, 502, 503, 429])
  func passing(status: Int) throws {
    let bucket = Bucket()
    let failures = Atomic(0)
    let server = HTTPServer { request in
      failures.add(1, ordering: .relaxed).newValue % 3 == 0
        ? bucket.answer(request) : [.error(status, "SlowDown")]
    }
    let store = try testStore(server.url)
    #expect(store.put(1) == .done && store.has(1) && store.figures.retryCount == 4)
  }

  @Test("A server that stays ill is given up, with its code")
  func ill() throws {
    let (outcome, _, figures, server) = try get(attempts: 3, .error(503, "SlowDown"))
    #expect(outcome == .failed(.unavailable(status: 503, code: "SlowDown")))
    #expect(server.log.count == 3 && figures.retryCount == 2)
  }

  @Test("Retries end at the deadline, with the reason")
  func retriesEnd() throws {
    let (outcome, _, _, _) = try get(seconds: 3, attempts: 99, .error(500, "InternalError"))
    #expect(outcome == .failed(.unavailable(status: 500, code: "InternalError")))
  }

  @Test("A body that ends early is no object, and the next one is")
  func truncated() throws {
    let half = Array(Self.content.prefix(6_000))
    let (outcome, _, figures, _) = try get(.object(half, length: 12_288), .close)
    guard case .failed(.network) = outcome else {
      Issue.record("\(String(describing: outcome))")
      return
    }
    #expect(figures.damagedCount == 0)
    let count = Atomic(0)
    let server = HTTPServer { _ in
      count.add(1, ordering: .relaxed).newValue < 3
        ? [.object(half, length: 12_288), .close] : [.object(Self.content)]
    }
    #expect(try testStore(server.url).has(1))
  }

  @Test("A body without a length that ends early is no object")
  func truncatedWithoutLength() throws {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-kvbm-block\r\n\r\n"
    let (outcome, _, _, _) = try get(
      .send(Array(head.utf8) + Self.content.dropLast(1)), .close)
    #expect(outcome == .failed(.network("the answer ended early")))
    let (whole, memory, _, _) = try get(.send(Array(head.utf8) + Self.content), .close)
    #expect(whole == .done && memory.content == Self.content)
    let (long, _, figures, _) = try get(.send(Array(head.utf8) + Self.content + [1]), .close)
    #expect(long == .missing && figures.damagedCount == 1)
  }

  @Test("An error's page in place of an object is none, though it says 200 and has its length")
  func errorPage() throws {
    for type in ["text/html", "application/xml", "application/octet-stream", nil] {
      let (outcome, memory, _, _) = try get(.answer(200, Self.content, type: type))
      guard case .failed(.notAnObject(let text)) = outcome else {
        Issue.record("\(String(describing: outcome))")
        continue
      }
      #expect(text.contains(type ?? "no type") && memory.content.allSatisfy { $0 == 0xEE })
    }
  }

  @Test("An error's text after a put is not taken for success")
  func errorAfterPut() throws {
    let server = HTTPServer { _ in [.error(200, "InternalError")] }
    let store = try testStore(server.url) { $0.attemptLimit = 2 }
    #expect(store.put(1) == .failed(.unavailable(status: 200, code: "InternalError")))
  }

  @Test("An object of another length is missing, is deleted, and can be put again")
  func damaged() throws {
    let bucket = Bucket()
    let server = HTTPServer { bucket.answer($0) }
    let store = try testStore(server.url)
    for (index, byteCount) in [12_287, 0, 12_289].enumerated() {
      let path = "/some-bucket/kv/v1/" + sampleName(1).path
      bucket.objects.withLock {
        $0[path] = Array(ObjectMemory.content(20_000, 1).prefix(byteCount))
      }
      let (outcome, memory) = store.get(1)
      #expect(outcome == .missing && memory.isGuarded)
      #expect(store.figures.damagedCount == index + 1)
      #expect(server.log.last?.method == "DELETE")
      #expect(store.put(1) == .done && store.has(1))
    }
  }

  @Test("A server that accepts and never answers: the deadline holds")
  func blackHole() throws {
    let (outcome, memory, _, _) = try get(seconds: 0.3, .hang)
    #expect(outcome == .failed(.timedOut))
    #expect(memory.content.allSatisfy { $0 == 0xEE })
  }

  @Test("Bytes that come after the deadline do not reach memory that is somebody else's now")
  func lateBytes() throws {
    let server = HTTPServer { _ in
      [
        .object(Array(Self.content.prefix(4_096)), length: 12_288), .wait(milliseconds: 600),
        .send(Array(Self.content.dropFirst(4_096))), .hang,
      ]
    }
    let store = try testStore(server.url)
    let (outcome, memory) = store.get(1, seconds: 0.3)
    #expect(outcome == .failed(.timedOut))
    memory.bytes.initializeMemory(as: UInt8.self, repeating: 0x55)
    usleep(800_000)
    #expect(memory.content.allSatisfy { $0 == 0x55 } && memory.isGuarded)
  }

  @Test("A server that is not there is an error, and used again when it is")
  func absent() throws {
    let bucket = Bucket()
    let server = HTTPServer { bucket.answer($0) }
    let store = try testStore(server.url) { $0.attemptLimit = 2 }
    #expect(store.put(1) == .done)
    server.stop()
    guard case .failed(.network(let text)) = store.get(1).outcome else {
      Issue.record("an answer from nobody")
      return
    }
    #expect(!text.isEmpty)
    let again = HTTPServer(port: server.port) { bucket.answer($0) }
    #expect(again.port == server.port && store.has(1))
  }

  @Test("No such bucket is an error, and no such object is none")
  func noBucket() throws {
    #expect(try get(.error(404, "NoSuchBucket")).0 == .failed(.noBucket("some-bucket")))
    #expect(try get(.error(404, "NoSuchKey")).0 == .missing)
    #expect(try get(.answer(404, type: "text/plain")).0 == .missing)
  }

  @Test("What the operator has to put right is said in words, and not tried again")
  func words() throws {
    let cases: [(HTTPStep, ObjectError, String)] = [
      (.error(403, "InvalidAccessKeyId"), .denied(code: "InvalidAccessKeyId"), "access key"),
      (.error(403, "SignatureDoesNotMatch"), .denied(code: "SignatureDoesNotMatch"), "secret"),
      (.error(400, "ExpiredToken"), .denied(code: "ExpiredToken"), "token"),
      (.answer(403), .denied(code: "HTTP 403"), "may list"),
      (
        .error(403, "RequestTimeTooSkewed", headers: ["Date: Tue, 24 Nov 2026 10:00:00 GMT"]),
        .clockSkew(serverTime: "Tue, 24 Nov 2026 10:00:00 GMT"), "clock is wrong"
      ),
      (
        .error(301, "PermanentRedirect", headers: ["x-amz-bucket-region: eu-west-3"]),
        .wrongRegion("eu-west-3"), "Set the region"
      ),
      (.error(400, "Odd\u{1B}[31m"), .refused(status: 400, code: "Odd?[31m"), "HTTP 400, Odd"),
    ]
    for (answer, error, words) in cases {
      let (outcome, _, _, server) = try get(attempts: 5, answer)
      #expect(outcome == .failed(error) && server.log.count == 1)
      #expect(error.description.contains(words))
    }
  }

  @Test("A head that is none, and one without an end, are failures")
  func garbage() throws {
    let type = "Content-Type: application/x-kvbm-block\r\n"
    for text in [
      "nothing that is HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\(type)",
    ] {
      let (outcome, _, figures, _) = try get(.send(Array(text.utf8)), .close)
      guard case .failed = outcome else {
        Issue.record("garbage was taken for an answer")
        continue
      }
      #expect(figures.damagedCount == 0)
    }
  }
}
