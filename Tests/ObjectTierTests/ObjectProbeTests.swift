import Testing

@testable import ObjectTier

@Suite("A trial of a shared store")
struct ObjectProbeTests {
  @Test("Bytes go and come back, and nothing is left but folders")
  func sound() throws {
    let directory = TemporaryDirectory()
    let store = try ObjectStores.open(url: "file://\(directory.path)/store")
    let probe = try ObjectProbe(store, byteCount: 5_000)
    #expect(probe.byteCount == 5_000 && probe.putSeconds > 0 && probe.getSeconds > 0)
    #expect(!directory.tree.contains { $0.hasSuffix(".0") || $0.hasSuffix(".part") })
  }

  @Test("A store that gives other bytes back is found out, and the object deleted")
  func unsound() throws {
    let bucket = Bucket()
    let server = HTTPServer { request in
      guard request.method == "GET" else { return bucket.answer(request) }
      var bytes = bucket.objects.withLock { $0[request.path]! }
      bytes[4_999] ^= 1
      return [.object(bytes)]
    }
    #expect(throws: ObjectError.notAnObject("other bytes came back")) {
      try ObjectProbe(try testStore(server.url), byteCount: 5_000)
    }
    #expect(bucket.objects.withLock { $0.isEmpty })
  }

  @Test("A store that loses what was put, or does not answer, is found out")
  func lost() throws {
    let server = HTTPServer { request in request.method == "PUT" ? [.answer(200)] : [.answer(404)] }
    #expect(throws: ObjectError.notAnObject("what was put is not there")) {
      try ObjectProbe(try testStore(server.url))
    }
    server.serve { _ in [.hang] }
    #expect(throws: ObjectError.timedOut) {
      try ObjectProbe(try testStore(server.url), seconds: 0.2)
    }
  }
}
