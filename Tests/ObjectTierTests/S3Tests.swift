import Glibc
import Synchronization
import Testing

@testable import ObjectTier

/// Has libcurl go to this machine itself, whatever proxy the others are behind.
private let goesDirectly: Void = { _ = setenv("no_proxy", "127.0.0.1", 1) }()

/// A store on a server of the test's, with credentials that nobody checks.
func testStore(
  _ url: String, _ change: (inout S3Settings) -> Void = { _ in }
) throws -> S3ObjectStore {
  _ = goesDirectly
  var settings = S3Settings(bucket: "some-bucket", prefix: "kv/v1")
  settings.endpoint = url
  settings.region = "eu-central-1"
  settings.credentials = S3Credentials(accessKey: "KEY", secret: "SECRET")
  change(&settings)
  return try S3ObjectStore(settings)
}

@Suite("Objects in a bucket")
struct S3Tests {
  let bucket = Bucket()
  let server: HTTPServer

  init() {
    server = HTTPServer { [bucket] in bucket.answer($0) }
  }

  @Test("What one node puts, another gets as it was")
  func roundTrip() throws {
    let (one, two) = (try testStore(server.url), try testStore(server.url + "/"))
    #expect(one.look(1) == .missing && one.get(1).outcome == .missing)
    for (number, byteCount) in [(1, 12_288), (2, 1), (3, 3 << 20)] {
      #expect(one.put(UInt64(number), byteCount) == .done)
      #expect(two.look(UInt64(number)) == .done)
      #expect(two.has(UInt64(number), byteCount))
    }
    #expect(two.remove(1) == .done && one.look(1) == .missing)
    #expect(one.figures == ObjectFigures() && two.figures == ObjectFigures())
  }

  @Test("Requests are signed, conditional, and say what the body is")
  func request() throws {
    let store = try testStore(server.url) {
      $0.credentials?.sessionToken = "TOKEN"
    }
    #expect(store.put(1) == .done)
    let request = try #require(server.log.first)
    #expect(request.method == "PUT" && request.path == "/some-bucket/kv/v1/" + sampleName(1).path)
    #expect(request.headers["if-none-match"] == "*" && request.headers["expect"] == nil)
    #expect(request.headers["content-type"] == "application/x-kvbm-block")
    #expect(request.headers["host"] == "127.0.0.1:\(server.port)")
    let authorization = try #require(request.headers["authorization"])
    #expect(authorization.hasPrefix("AWS4-HMAC-SHA256 Credential=KEY/"))
    #expect(
      authorization.contains("/eu-central-1/s3/aws4_request, SignedHeaders=content-type;host;"))
    #expect(authorization.contains(";x-amz-date;x-amz-security-token, "))
    #expect(!authorization.contains("SECRET"))
  }

  @Test("An object that is there wins")
  func existing() throws {
    let store = try testStore(server.url)
    #expect(store.put(1) == .done)
    let other = ObjectMemory(12_288, 99)
    let again = store.perform(.put(from: other.address, byteCount: 12_288), sampleName(1))
    #expect(again == .done && store.figures.existingCount == 1)
    #expect(store.has(1))
  }

  @Test("A server that knows no conditional put is asked once", arguments: [501, 400])
  func unconditional(status: Int) throws {
    server.serve { [bucket] request in
      request.headers["if-none-match"] == nil
        ? bucket.answer(request) : [.error(status, "NotImplemented")]
    }
    let store = try testStore(server.url)
    #expect(store.put(1) == .done && store.put(2) == .done)
    #expect(server.log.count { $0.headers["if-none-match"] != nil } == 1)
    #expect(store.has(1) && store.has(2) && store.figures.retryCount == 1)
  }

  @Test("One connection serves requests one after the other; several serve many at once")
  func connections() throws {
    let store = try testStore(server.url) { $0.connectionLimit = 3 }
    for number in 0..<20 { #expect(store.put(UInt64(number)) == .done) }
    #expect(server.connectionCount == 1)
    let answers = Answers()
    let memories = (0..<20).map { _ in ObjectMemory(12_288) }
    for (number, memory) in memories.enumerated() {
      let job = ObjectJob(
        .get(into: memory.address, byteCount: 12_288), name: sampleName(UInt64(number)),
        deadline: .max, complete: answers.callback(number))
      #expect(store.submit(job))
    }
    for (number, memory) in memories.enumerated() {
      #expect(answers.wait(for: number) == .done)
      #expect(memory.content == ObjectMemory.content(12_288, UInt64(number)))
    }
    #expect(server.connectionCount <= 3)
  }

  @Test("A full queue refuses; shutdown ends what is under way, once, and takes no more")
  func bounded() throws {
    server.serve { _ in [.hang] }
    let store = try testStore(server.url) { ($0.queueLimit, $0.connectionLimit) = (4, 2) }
    let answers = Answers()
    let memory = ObjectMemory(4_096)
    for index in 0..<6 {
      let job = ObjectJob(
        .get(into: memory.address, byteCount: 4_096), name: sampleName(1), deadline: .max,
        complete: answers.callback(index))
      #expect(store.submit(job) == (index < 4))
    }
    store.shutdown()
    #expect(answers.all == Array(repeating: .failed(.shutDown), count: 4))
    #expect(!store.submit(ObjectJob(.look, name: sampleName(1), deadline: .max) { _ in }))
    store.shutdown()
  }

  @Test("Without libcurl there is an error that says what to install")
  func noLibrary() throws {
    let error = #expect(throws: ObjectError.self) {
      try testStore("http://127.0.0.1:1") { $0.library = "libnothere.so.4" }
    }
    let text = try #require(error).description
    #expect(text.contains("libnothere.so.4") && text.contains("apt-get install libcurl4"))
    // libc has no curl in it.
    #expect(throws: ObjectError.noLibrary("libcurl has no curl_global_init")) {
      try CurlLibrary(file: "libc.so.6")
    }
  }
}
