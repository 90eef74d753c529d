import CLinux
import Glibc
import Wire

/// A question to a running node that needs no attachment; the answer is one JSON object.
public enum NodeQuestion: Equatable, Sendable {
  /// What it holds and has done: `NodeStatistics`.
  case status
  /// What a request got and why, by its name or number; the latest ones when empty: `Explanation`.
  case request(String)
  /// What the namespaces that it knows are made of: `NamespaceReport`.
  case namespaces

  private static let timeoutMilliseconds: Int32 = 5_000
  private static let statusText = "kvbm-status"
  private static let requestText = "kvbm-request "
  private static let namespacesText = "kvbm-namespaces"

  /// The question of a packet; nil when it is none.
  init?(packet: [UInt8]) {
    guard packet.count <= 512 else { return nil }
    let text = String(decoding: packet, as: UTF8.self)
    switch text {
    case Self.statusText: self = .status
    case Self.namespacesText: self = .namespaces
    default:
      guard text.hasPrefix(Self.requestText) else { return nil }
      self = .request(String(text.dropFirst(Self.requestText.count)))
    }
  }

  /// The packet that asks it.
  var packet: [UInt8] {
    switch self {
    case .status: Array(Self.statusText.utf8)
    case .namespaces: Array(Self.namespacesText.utf8)
    case .request(let name): Array((Self.requestText + name).utf8)
    }
  }

  /// Asks the node at a socket.
  ///
  /// - Throws: `unreachable`, naming the socket.
  public func ask(socketPath: String) throws(NodeError) -> String {
    let socket = UnixSocket.connect(path: socketPath)
    guard socket >= 0 else {
      throw .unreachable(
        "no node listens at \(socketPath): \(String(cString: strerror(-socket)))")
    }
    defer { close(socket) }
    _ = packet.withUnsafeBytes { clinux_send(socket, $0.baseAddress, $0.count, nil, 0) }
    var watch = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    guard poll(&watch, 1, Self.timeoutMilliseconds) > 0 else {
      throw .unreachable("the node at \(socketPath) does not answer")
    }
    var bytes = [UInt8](repeating: 0, count: WireFormat.packetBytesMax)
    var descriptorCount: Int32 = 0
    let count = bytes.withUnsafeMutableBytes {
      clinux_receive(socket, $0.baseAddress, $0.count, nil, &descriptorCount, 0)
    }
    guard count > 0 else { throw .unreachable("the node at \(socketPath) has ended") }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}

extension NodeCore {
  /// The answer to a question, cut to nothing where it would not fit into a packet.
  func answer(_ question: NodeQuestion) -> [UInt8] {
    let text =
      switch question {
      case .status: statistics().json
      case .request(let name): explanation(of: name).json
      case .namespaces: namespaceReport().json
      }
    return text.utf8.count <= WireFormat.packetBytesMax ? Array(text.utf8) : Array("{}".utf8)
  }
}
