import CLinux
import Glibc
import Wire

/// Asks a running node for its figures, without attaching.
public enum NodeStatus {
  /// The packet that asks.
  static let question: [UInt8] = Array("kvbm-status".utf8)
  private static let timeoutMilliseconds: Int32 = 5_000

  /// The node's statistics as JSON.
  ///
  /// - Throws: `unreachable`, naming the socket.
  public static func ask(socketPath: String) throws(NodeError) -> String {
    let socket = UnixSocket.connect(path: socketPath)
    guard socket >= 0 else {
      throw .unreachable(
        "no node listens at \(socketPath): \(String(cString: strerror(-socket)))")
    }
    defer { close(socket) }
    _ = question.withUnsafeBytes { clinux_send(socket, $0.baseAddress, $0.count, nil, 0) }
    var watch = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    guard poll(&watch, 1, timeoutMilliseconds) > 0 else {
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
