import BlockEngine
import Testing

@testable import KVBMNode

/// What scrapers ask, and what they get.
@Suite("Metrics")
struct MetricsTests {
  private func request(_ text: String) -> HTTPRequest? { HTTPRequest.parse(Array(text.utf8)) }

  private func status(_ text: String, metrics: String = "m 1\n") -> String? {
    request(text).map { request in
      String(decoding: request.answer { metrics }.prefix { $0 != 13 }, as: UTF8.self)
    }
  }

  @Test("A request is read when its head is whole, however it was cut")
  func parsing() {
    let whole = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(request(whole) == HTTPRequest(method: "GET", path: "/metrics"))
    #expect(request("GET /metrics HTTP/1.0\n\n") == HTTPRequest(method: "GET", path: "/metrics"))
    for end in 0..<whole.utf8.count - 1 {
      #expect(HTTPRequest.parse(Array(whole.utf8.prefix(end))) == nil)
    }
  }

  @Test("What is no request for metrics gets an answer that says so")
  func refusals() {
    #expect(status("GET /metrics HTTP/1.1\r\n\r\n") == "HTTP/1.1 200 OK")
    #expect(status("GET /other HTTP/1.1\r\n\r\n") == "HTTP/1.1 404 Not Found")
    #expect(status("POST /metrics HTTP/1.1\r\n\r\n") == "HTTP/1.1 405 Method Not Allowed")
    for text in ["\u{0}\u{1}\r\n\r\n", "GET /metrics\r\n\r\n", "GET metrics HTTP/1.1\r\n\r\n"] {
      #expect(status(text) == "HTTP/1.1 400 Bad Request", "\(text)")
    }
    let head = request("HEAD /metrics HTTP/1.1\r\n\r\n")!.answer { "12345" }
    let text = String(decoding: head, as: UTF8.self)
    #expect(text.contains("Content-Length: 5\r\n") && text.hasSuffix("\r\n\r\n"))
  }

  @Test("An address is a socket's absolute path, or a numeric address and a port")
  func addresses() throws {
    #expect(try MetricsAddress("unix:/run/m") == .unix(path: "/run/m"))
    #expect(try MetricsAddress("127.0.0.1:9401") == .tcp(host: "127.0.0.1", port: 9401))
    #expect(try MetricsAddress("[::1]:80").description == "[::1]:80")
    #expect(try MetricsAddress("localhost:1") == .tcp(host: "127.0.0.1", port: 1))
    for text in [
      "", "9401", "unix:run", "unix:/" + String(repeating: "p", count: 200), "host:80",
      "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1", "300.0.0.1:80",
    ] {
      let error = #expect(throws: ConfigurationError.self) { try MetricsAddress(text) }
      #expect(error?.key == "metrics" && error?.value == text)
    }
  }

  @Test("A time is counted in the range that it is in, ends included")
  func histogram() {
    var histogram = Histogram()
    histogram.add(nanoseconds: 0)
    histogram.add(nanoseconds: 10_000)
    histogram.add(nanoseconds: 10_001)
    histogram.add(nanoseconds: 3_600_000_000_000)
    #expect(histogram.counts[0] == 2 && histogram.counts[1] == 1 && histogram.counts.last == 1)
    #expect(histogram.sumNanoseconds == 3_600_000_020_001)
  }

  @Test("Only operations that succeed are timed, each once, a load with all of its blocks")
  func transfers() {
    var log = TransferLog()
    let load = OperationID(0x1_0000_0005)
    let store = OperationID(0x1_0000_0006)
    log.began(load, .load, bytes: 100, Time(nanoseconds: 1_000))
    log.began(load, .load, bytes: 100, Time(nanoseconds: 1_000))
    log.began(store, .store, bytes: 70, Time(nanoseconds: 2_000))
    log.ended(load, .success, Time(nanoseconds: 31_000))
    log.ended(load, .success, Time(nanoseconds: 41_000))
    log.ended(store, .corrupt, Time(nanoseconds: 41_000))
    // Another use of the entry: what began before it never ended.
    log.began(OperationID(0x2_0000_0005), .read, bytes: 9, Time(nanoseconds: 50_000))
    log.ended(load, .success, Time(nanoseconds: 60_000))
    #expect(log[.load].bytes == 200 && log[.load].blocks == 2)
    #expect(log[.load].latency.sumNanoseconds == 30_000)
    #expect(log[.store].blocks == 0 && log[.read].blocks == 0)
  }

  @Test("Blocks are counted as asked for when the answer is final")
  func matches() {
    var log = MatchLog()
    log.note(requested: 10, ready: 2, pending: 5, blockTokens: 16)
    log.note(requested: 10, ready: 7, pending: 0, blockTokens: 16)
    #expect(log.requestedBlocks == 10 && log.matchedBlocks == 7)
    #expect(log.requestedTokens == 160 && log.matchedTokens == 112)
  }
}
