import CLinux
import Glibc
import Wire

/// One side of an engine that is connected, on the event loop's thread.
final class ClientConnection {
  /// Never used again, unlike the socket's.
  let number: UInt64
  /// Closed with this object; until then the connection's key in `Node.connections`.
  let socket: Int32
  /// The peer's id when it connected, for the log; `pidfd` tells when it ends.
  let process: pid_t
  /// Readable when the process has ended; -1 where the kernel has none.
  let pidfd: Int32
  /// Set by the handshake.
  var role: Role?
  /// The protocol's version that the client speaks.
  var version = WireFormat.version
  /// The worker's number, 0 for a scheduler; and the session, 0 before there is one.
  var rank: UInt32 = 0
  var session: UInt64 = 0
  /// Whether the side announced its end, so that nobody waits for a restart.
  var saidGoodbye = false
  /// Tokens of the event loop, with their descriptors.
  var watches: [(fd: Int32, token: UInt64)] = []
  /// The rings, once a greeting was accepted.
  private(set) var channel: Channel?

  /// Takes the socket over; `deinit` closes it.
  init(number: UInt64, socket: Int32, process: pid_t) {
    self.number = number
    self.socket = socket
    self.process = process
    pidfd = clinux_pidfd_open(process)
  }

  deinit {
    close(socket)
    if pidfd >= 0 { close(pidfd) }
  }

  /// Makes the rings and their doorbells; false when the kernel gives no memory for them.
  func openChannel() -> Bool {
    channel = Channel()
    return channel != nil
  }

  /// Tells the client that this attachment is over; its side closes when nothing uses it any more.
  func revoke() {
    channel?.ring.isClosed = true
    if let channel { clinux_eventfd_signal(channel.replyBell) }
  }

  /// Sends a packet; false when the client does not take it.
  func send(_ packet: [UInt8], _ descriptors: [Int32] = []) -> Bool {
    packet.withUnsafeBytes {
      clinux_send(socket, $0.baseAddress, $0.count, descriptors, Int32(descriptors.count))
    } == packet.count
  }
}

/// The shared rings of one connection, the node's ends of them.
final class Channel {
  /// The rings' memory, and the eventfds that wake the node and the client.
  let fd: Int32
  let requestBell: Int32
  let replyBell: Int32
  /// The node's mapping, and its end of each direction.
  let ring: RingMemory
  var requests: RingConsumer
  var replies: RingProducer

  /// Makes memory and bells; nil when the kernel gives none, with nothing left open.
  init?() {
    let fd = clinux_memfd("kvbm-rings", RingMemory.byteCount)
    let requestBell = clinux_eventfd()
    let replyBell = clinux_eventfd()
    let base =
      fd < 0
      ? nil
      : mmap(
        nil, RingMemory.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_NORESERVE), fd, 0)
    guard let base, base != MAP_FAILED, requestBell >= 0, replyBell >= 0 else {
      for open in [fd, requestBell, replyBell] where open >= 0 { close(open) }
      return nil
    }
    self.fd = fd
    self.requestBell = requestBell
    self.replyBell = replyBell
    ring = RingMemory(base: base)
    requests = RingConsumer(ring.requests)
    replies = RingProducer(ring.replies)
  }

  deinit {
    munmap(ring.base, RingMemory.byteCount)
    for fd in [fd, requestBell, replyBell] { close(fd) }
  }

  /// Answers a message; false when the client does not take its answers.
  func reply(to header: MessageHeader, _ writer: ByteWriter) -> Bool {
    let sent = writer.bytes.withUnsafeBytes { (try? replies.send(header, $0)) ?? false }
    if sent && replies.mustRing() { clinux_eventfd_signal(replyBell) }
    return sent
  }
}
