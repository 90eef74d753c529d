import Glibc
import Wire

/// Where the node answers HTTP with its metrics.
public enum MetricsAddress: Equatable, Sendable, CustomStringConvertible {
  /// A Unix socket of its own, private to this user.
  case unix(path: String)
  /// A numeric address, IPv4 or IPv6, and a port. Everybody who can reach it can read.
  case tcp(host: String, port: UInt16)

  /// Reads "unix:/PATH", "HOST:PORT" or "[HOST]:PORT".
  ///
  /// - Throws: What would be right.
  public init(_ text: String) throws(ConfigurationError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard path.hasPrefix("/"), path.utf8.count <= UnixSocket.pathBytesMax else {
        throw Self.error(text)
      }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
      port > 0
    else { throw Self.error(text) }
    var host = String(text[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    if host == "localhost" { host = "127.0.0.1" }
    self = .tcp(host: host, port: port)
    guard isNumeric else { throw Self.error(text) }
  }

  private static func error(_ text: String) -> ConfigurationError {
    ConfigurationError(
      key: "metrics", value: text,
      remedy: "\"unix:\" and an absolute path of at most \(UnixSocket.pathBytesMax) bytes, or a "
        + "numeric address and a port, as in \"127.0.0.1:9401\" or \"[::1]:9401\"")
  }

  private var isNumeric: Bool { withAddress { _, _, _ in true } ?? false }

  /// As it is written.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }

  /// Whether only this machine can reach it.
  var isLocal: Bool {
    switch self {
    case .unix: true
    case .tcp(let host, _): host.hasPrefix("127.") || host == "::1"
    }
  }

  /// Calls `body` with the family and the address in the kernel's form; nil where there is none.
  func withAddress<Result>(
    _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result? {
    func pass<Address>(_ family: Int32, _ address: Address) -> Result {
      withUnsafePointer(to: address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body(family, $0, socklen_t(MemoryLayout<Address>.size))
        }
      }
    }
    switch self {
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
      return pass(AF_UNIX, address)
    case .tcp(let host, let port):
      var four = sockaddr_in()
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      if inet_pton(AF_INET, host, &four.sin_addr) == 1 { return pass(AF_INET, four) }
      var six = sockaddr_in6()
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = port.bigEndian
      return inet_pton(AF_INET6, host, &six.sin6_addr) == 1 ? pass(AF_INET6, six) : nil
    }
  }
}
