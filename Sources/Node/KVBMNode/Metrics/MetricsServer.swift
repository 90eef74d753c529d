import BlockEngine
import Glibc

/// Answers scrapers, on the event loop's thread: a request a connection.
///
/// After its answer a connection says that there is no more, and ends with its other side or at its
/// deadline: closed at once, with something unread, it could take the answer along. Bounded: so
/// many connections, so long a request, so many seconds. Nothing waits: what a scraper does not
/// take at once is sent on with the node's ticks.
final class MetricsServer {
  private static let connectionCountMax = 16
  private static let deadlineNanoseconds: UInt64 = 5_000_000_000

  private struct Connection {
    let deadline: Time
    var token: UInt64 = 0
    var request: [UInt8] = []
    /// What is still to be sent; nil while the request is not complete.
    var answer: ArraySlice<UInt8>?
  }

  private let listener: MetricsListener
  private let loop: EventLoop
  private let metrics: () -> String
  private var token: UInt64 = 0
  private var connections: [Int32: Connection] = [:]

  /// Serves what `metrics` says from now on.
  init(_ listener: MetricsListener, _ loop: EventLoop, metrics: @escaping () -> String) {
    self.listener = listener
    self.loop = loop
    self.metrics = metrics
    token = loop.add(listener.fd) { [unowned self] _ in accept() }
  }

  /// Takes no more connections, and ends those that there are.
  func stop() {
    loop.remove(listener.fd, token)
    listener.close()
    for socket in Array(connections.keys) { end(socket) }
  }

  /// Time passes: sends on, and ends what takes too long.
  func tick(_ now: Time) {
    for (socket, connection) in connections {
      send(socket)
      if now >= connection.deadline { end(socket) }
    }
  }

  private func accept() {
    while true {
      let socket = Glibc.accept(listener.fd, nil, nil)
      guard socket >= 0 else { return }
      guard connections.count < Self.connectionCountMax else {
        close(socket)
        continue
      }
      _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
      _ = fcntl(socket, F_SETFL, O_NONBLOCK)
      var connection = Connection(deadline: Clock.now + Self.deadlineNanoseconds)
      connection.token = loop.add(socket) { [unowned self] _ in receive(socket) }
      connections[socket] = connection
    }
  }

  private func receive(_ socket: Int32) {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = read(socket, &bytes, bytes.count)
    guard count > 0 else {
      if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
      return end(socket)
    }
    // What comes behind the request is of no interest.
    guard let connection = connections[socket], connection.answer == nil else { return }
    let request = connection.request + bytes[..<count]
    connections[socket]?.request = request
    if request.count > HTTPRequest.byteCountMax {
      let status = "431 Request Header Fields Too Large"
      connections[socket]?.answer = HTTPRequest.answer(status, "too long\n")[...]
    } else if let parsed = HTTPRequest.parse(request) {
      connections[socket]?.answer = parsed.answer(metrics: metrics)[...]
    }
    send(socket)
  }

  /// Sends what the scraper takes.
  private func send(_ socket: Int32) {
    guard var answer = connections[socket]?.answer, !answer.isEmpty else { return }
    while !answer.isEmpty {
      let count = answer.withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN {
        connections[socket]?.answer = answer
        return
      }
      guard count > 0 else { break }
      answer = answer.dropFirst(count)
    }
    connections[socket]?.answer = []
    shutdown(socket, Int32(SHUT_WR))
  }

  private func end(_ socket: Int32) {
    guard let connection = connections.removeValue(forKey: socket) else { return }
    loop.remove(socket, connection.token)
    close(socket)
  }
}
