import CKVBM
import CLinux
import Glibc
import Synchronization
import Wire

/// One connection to a node: the socket, the rings, the mapped host memories.
///
/// Closing the socket tells the node that nothing of it is touched any more, so it happens when the
/// last user lets go: every copy under way holds the attachment. A forked child's copies of the
/// descriptors do not matter, since the node watches the process as well.
final class Attachment: Sendable {
  /// The node's number for this engine's session: a plan of another one is not carried out.
  let session: UInt64
  /// The node process at the other end.
  let nodeInstance: UInt64
  /// The host memory of each group.
  let slots: [SlotMemory]

  private let socket: Int32
  private let requestBell: Int32
  private let replyBell: Int32
  private let ringMapping: MappedMemory
  private let ring: RingMemory
  private let producer: Mutex<RingProducer>
  private let consumer: Mutex<RingConsumer>
  private let sequence = Atomic<UInt64>(0)
  private let isAbandoned = Atomic<Bool>(false)

  /// Takes over the socket and both bells, which `deinit` closes.
  init(
    welcome: Welcome, socket: Int32, ringMapping: MappedMemory, requestBell: Int32,
    replyBell: Int32, slots: [SlotMemory]
  ) {
    session = welcome.session
    nodeInstance = welcome.nodeInstance
    self.slots = slots
    self.socket = socket
    self.requestBell = requestBell
    self.replyBell = replyBell
    self.ringMapping = ringMapping
    ring = RingMemory(base: ringMapping.base)
    producer = Mutex(RingProducer(ring.requests))
    consumer = Mutex(RingConsumer(ring.replies))
  }

  deinit {
    close(socket)
    close(requestBell)
    close(replyBell)
  }

  /// Whether anything may still be asked; costs one load.
  var isUsable: Bool { !ring.isClosed && !isAbandoned.load(ordering: .relaxed) }

  /// As `isUsable`, and looks whether the node has gone.
  var isAlive: Bool {
    guard isUsable else { return false }
    var watch = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    // A node sends nothing on the socket after the handshake but its end.
    guard poll(&watch, 1, 0) > 0 else { return true }
    abandon()
    return false
  }

  /// No more calls; the socket closes with the last user.
  func abandon() { isAbandoned.store(true, ordering: .relaxed) }

  /// Tells the node that the engine stops on purpose.
  func sayGoodbye() {
    _ = WireFormat.goodbye.withUnsafeBytes {
      clinux_send(socket, $0.baseAddress, $0.count, nil, 0)
    }
  }

  /// Sends a message that has no reply; false when the attachment had to be abandoned.
  func post(_ kind: UInt16, _ writer: ByteWriter) -> Bool {
    send(MessageHeader(kind: kind, sequence: 0), writer)
  }

  /// Asks and waits for the answer; on failure the attachment is abandoned.
  func call(
    _ kind: UInt16, _ writer: ByteWriter, deadline: Deadline
  ) throws(CallFailure) -> [UInt8] {
    let number = sequence.wrappingAdd(1, ordering: .relaxed).newValue
    let header = MessageHeader(kind: kind, sequence: number)
    guard isUsable, send(header, writer) else { throw .unavailable }
    do throws(CallFailure) {
      return try consumer.withLock { (consumer) throws(CallFailure) in
        try awaitReply(header, &consumer, deadline)
      }
    } catch {
      abandon()
      throw error
    }
  }

  private func send(_ header: MessageHeader, _ writer: ByteWriter) -> Bool {
    let (sent, mustRing) = producer.withLock { producer in
      writer.bytes.withUnsafeBytes { body in
        let sent = (try? producer.send(header, body)) ?? false
        return (sent, sent && producer.mustRing())
      }
    }
    if mustRing { clinux_eventfd_signal(requestBell) }
    if !sent { abandon() }
    return sent
  }

  private static let spinCount = 2_000

  private func awaitReply(
    _ header: MessageHeader, _ consumer: inout RingConsumer, _ deadline: Deadline
  ) throws(CallFailure) -> [UInt8] {
    var body: [UInt8] = []
    var spins = 0
    while true {
      var received: MessageHeader?
      do throws(WireError) { received = try consumer.receive(into: &body) } catch {
        throw CallFailure(code: Int32(KVBM_PROTOCOL), text: "the node's ring is corrupt")
      }
      if let received {
        // Older replies are to calls that were given up.
        if received == header { return body }
        continue
      }
      spins += 1
      if spins < Self.spinCount {
        clinux_pause()
        continue
      }
      if consumer.prepareToSleep() { try sleep(until: deadline) }
      consumer.stayAwake()
    }
  }

  private func sleep(until deadline: Deadline) throws(CallFailure) {
    guard !deadline.hasPassed else {
      throw CallFailure(code: Int32(KVBM_TIMEOUT), text: "the node did not answer in time")
    }
    var watches = [
      pollfd(fd: replyBell, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
    ]
    _ = InterpreterLock.wait(until: deadline) { moment in
      poll(&watches, 2, moment.remainingMilliseconds) > 0 ? true : nil
    }
    if watches[0].revents != 0 { clinux_eventfd_drain(replyBell) }
    if watches[1].revents != 0 {
      throw CallFailure(code: Int32(KVBM_UNAVAILABLE), text: "the node has gone")
    }
  }
}
