import DiskTier
import Glibc
import Synchronization

/// A request as a test's server received it.
struct HTTPRequest: Sendable {
  var method = ""
  var path = ""
  /// By lower-case name.
  var headers: [String: String] = [:]
  var body: [UInt8] = []
}

/// What a test's server does with a request, one step after the other.
enum HTTPStep: Sendable {
  case send([UInt8])
  case wait(milliseconds: UInt32)
  /// Nothing until the client goes.
  case hang
  case close

  /// A whole answer; `length` is what the head says, `headers` are lines without their ends.
  static func answer(
    _ status: Int, _ body: [UInt8] = [], type: String? = nil, length: Int? = nil,
    headers: [String] = [], isHead: Bool = false
  ) -> HTTPStep {
    var head = "HTTP/1.1 \(status) Something\r\nContent-Length: \(length ?? body.count)\r\n"
    if let type { head += "Content-Type: \(type)\r\n" }
    for line in headers { head += line + "\r\n" }
    return .send(Array((head + "\r\n").utf8) + (isHead ? [] : body))
  }

  /// An error as S3 words it.
  static func error(_ status: Int, _ code: String, headers: [String] = []) -> HTTPStep {
    answer(
      status, Array("<?xml version=\"1.0\"?><Error><Code>\(code)</Code></Error>".utf8),
      type: "application/xml", headers: headers)
  }

  /// An object as S3 gives it.
  static func object(_ body: [UInt8], length: Int? = nil) -> HTTPStep {
    answer(200, body, type: "application/x-kvbm-block", length: length)
  }
}

/// A small HTTP server on this machine, as faulty as a test wants it; ends with its last reference.
final class HTTPServer: Sendable {
  typealias Handler = @Sendable (HTTPRequest) -> [HTTPStep]

  private let core: HTTPServerCore

  var port: Int { core.port }
  var url: String { "http://127.0.0.1:\(port)" }
  /// All requests so far.
  var log: [HTTPRequest] { core.requests.withLock { $0 } }
  /// Connections that were ever made.
  var connectionCount: Int { core.sockets.withLock { $0.count } }

  /// Listens; on a port of the system's choice, or on one that was free before.
  init(port: Int = 0, _ handler: @escaping Handler) {
    core = HTTPServerCore(port: port, handler)
    core.start()
  }

  deinit { core.stop() }

  /// What is done with requests from now on.
  func serve(_ handler: @escaping Handler) { core.handler.withLock { $0 = handler } }

  /// Closes everything; its port is free again.
  func stop() { core.stop() }
}

/// The server as its threads hold it: one that accepts, and one a connection.
private final class HTTPServerCore: Sendable {
  let port: Int
  let handler: Mutex<HTTPServer.Handler>
  let sockets = Mutex<[Int32]>([])
  let requests = Mutex<[HTTPRequest]>([])
  private let listener: Int32
  private let threads = ThreadGroup()
  private let isStopped = Atomic(false)

  init(port: Int, _ handler: @escaping HTTPServer.Handler) {
    self.handler = Mutex(handler)
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var one: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = UInt16(port).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        let code = bind(descriptor, address, length)
        getsockname(descriptor, address, &length)
        return code
      }
    }
    precondition(code == 0 && listen(listener, 64) == 0, "no port \(port): \(errno)")
    self.port = Int(UInt16(bigEndian: address.sin_port))
  }

  func start() { _ = threads.start(name: "test-http") { self.accept() } }

  func stop() {
    guard !isStopped.exchange(true, ordering: .sequentiallyConsistent) else { return }
    Glibc.shutdown(listener, Int32(SHUT_RDWR))
    sockets.withLock { for socket in $0 { Glibc.shutdown(socket, Int32(SHUT_RDWR)) } }
    // The one that accepts may have started others meanwhile.
    threads.join()
    threads.join()
    sockets.withLock { for socket in $0 { close(socket) } }
    close(listener)
  }

  private func accept() {
    while true {
      let socket = Glibc.accept(listener, nil, nil)
      guard socket >= 0 else { return }
      sockets.withLock { $0.append(socket) }
      // `stop` cannot have seen it.
      guard !isStopped.load(ordering: .sequentiallyConsistent) else { return }
      _ = threads.start(name: "test-http-one") { self.serve(socket) }
    }
  }

  private func serve(_ socket: Int32) {
    defer { Glibc.shutdown(socket, Int32(SHUT_RDWR)) }
    if isStopped.load(ordering: .sequentiallyConsistent) { return }
    var input: [UInt8] = []
    while let request = Self.read(socket, &input) {
      requests.withLock { $0.append(request) }
      let answer = handler.withLock { $0 }(request)
      for step in answer {
        switch step {
        case .send(let bytes): guard Self.write(socket, bytes) else { return }
        case .wait(let milliseconds): usleep(milliseconds * 1_000)
        case .hang:
          var byte: UInt8 = 0
          while recv(socket, &byte, 1, 0) > 0 {}
          return
        case .close: return
        }
      }
    }
  }

  private static func write(_ socket: Int32, _ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let sent = bytes[done...].withUnsafeBytes {
        send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard sent > 0 else { return false }
      done += sent
    }
    return true
  }

  /// The next request; nil when the client has gone.
  private static func read(_ socket: Int32, _ input: inout [UInt8]) -> HTTPRequest? {
    var head: Range<Int>?
    while head == nil {
      head = input.firstRange(of: Array("\r\n\r\n".utf8))
      if head == nil && !more(socket, &input) { return nil }
    }
    var request = HTTPRequest()
    let lines = String(decoding: input[..<head!.lowerBound], as: UTF8.self).split(
      whereSeparator: \.isNewline)
    let first = lines[0].split(separator: " ")
    (request.method, request.path) = (String(first[0]), String(first[1]))
    for line in lines.dropFirst() {
      let colon = line.firstIndex(of: ":")!
      request.headers[line[..<colon].lowercased()] = String(
        line[line.index(after: colon)...].drop { $0 == " " })
    }
    let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
    while input.count < head!.upperBound + length {
      if !more(socket, &input) { return nil }
    }
    request.body = Array(input[head!.upperBound..<head!.upperBound + length])
    input.removeFirst(head!.upperBound + length)
    return request
  }

  private static func more(_ socket: Int32, _ input: inout [UInt8]) -> Bool {
    var part = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(socket, &part, part.count, 0)
    if count > 0 { input += part[..<count] }
    return count > 0
  }
}

/// A bucket in memory that does what S3 does with the four requests.
final class Bucket: Sendable {
  let objects = Mutex<[String: [UInt8]]>([:])

  func answer(_ request: HTTPRequest) -> [HTTPStep] {
    objects.withLock { objects in
      let found = objects[request.path]
      switch request.method {
      case "PUT":
        if request.headers["if-none-match"] == "*", found != nil {
          return [.error(412, "PreconditionFailed")]
        }
        objects[request.path] = request.body
        return [.answer(200)]
      case "DELETE":
        objects[request.path] = nil
        return [.answer(204)]
      default:
        let isHead = request.method == "HEAD"
        guard let found else { return isHead ? [.answer(404)] : [.error(404, "NoSuchKey")] }
        return [
          .answer(200, found, type: "application/x-kvbm-block", isHead: isHead)
        ]
      }
    }
  }
}
