import CKVBM
import CLinux
import Glibc
import Wire

extension Attachment {
  /// Connects to a node and shakes hands.
  ///
  /// - Throws: `KVBM_UNAVAILABLE` when nobody listens, `KVBM_REFUSED` with the node's reason,
  ///   `KVBM_TIMEOUT`, `KVBM_PROTOCOL`, `KVBM_SYSTEM`. Nothing is left open.
  static func connect(
    path: String, hello: Hello, deadline: Deadline
  ) throws(CallFailure) -> Attachment {
    let socket = UnixSocket.connect(path: path)
    guard socket >= 0 else {
      let reason = String(cString: strerror(-socket))
      throw CallFailure(
        code: Int32(KVBM_UNAVAILABLE), text: "no node listens at \(path): \(reason)")
    }
    do throws(CallFailure) {
      return try shakeHands(socket, hello, deadline)
    } catch {
      close(socket)
      throw error
    }
  }

  /// Takes the socket over when it succeeds.
  private static func shakeHands(
    _ socket: Int32, _ hello: Hello, _ deadline: Deadline
  ) throws(CallFailure) -> Attachment {
    var owner: uid_t = 0
    var node: pid_t = 0
    guard clinux_peer(socket, &node, &owner) == 0, owner == geteuid() else {
      throw CallFailure(
        code: Int32(KVBM_REFUSED), text: "the node at this socket belongs to another user")
    }
    let packet = hello.encode()
    let sent = packet.withUnsafeBytes { clinux_send(socket, $0.baseAddress, $0.count, nil, 0) }
    guard sent == packet.count else { throw .system("send", errno) }

    var received = try Packet.receive(socket, deadline)
    let welcome: Welcome
    do throws(WireError) {
      welcome = try received.bytes.decode { (reader) throws(WireError) in
        try Welcome(from: &reader)
      }
    } catch {
      throw protocolFailure(
        error.sentence(
          theirs: "the node", mine: "this library",
          spoken: WireFormat.version...WireFormat.version))
    }
    guard welcome.refusal.isEmpty else {
      throw CallFailure(code: Int32(KVBM_REFUSED), text: welcome.refusal)
    }
    guard received.descriptors.count == 3, welcome.memoryCount <= 16 else {
      throw protocolFailure("the node's greeting lacks its descriptors")
    }
    let ring = try MappedMemory(fd: received.descriptors[0], byteCount: RingMemory.byteCount)
    let slots = try receiveMemories(socket, welcome, hello, deadline)
    // From here on nothing fails: the bells are the attachment's.
    let bells = received.takeDescriptors(from: 1)
    return Attachment(
      welcome: welcome, socket: socket, ringMapping: ring, requestBell: bells[0],
      replyBell: bells[1], slots: slots)
  }

  private static func receiveMemories(
    _ socket: Int32, _ welcome: Welcome, _ hello: Hello, _ deadline: Deadline
  ) throws(CallFailure) -> [SlotMemory] {
    var memories: [SlotMemory] = []
    for _ in 0..<welcome.memoryCount {
      let packet = try Packet.receive(socket, deadline)
      let description: MemoryDescription
      do throws(WireError) {
        description = try packet.bytes.decode { (reader) throws(WireError) in
          try MemoryDescription(from: &reader)
        }
      } catch {
        throw protocolFailure("a memory's description cannot be read: \(error)")
      }
      let (byteCount, overflows) = description.slotBytes.multipliedReportingOverflow(
        by: UInt64(description.slotCount))
      guard !overflows, byteCount <= UInt64(Int.max), let fd = packet.descriptors.first else {
        throw protocolFailure("a memory's description cannot be")
      }
      memories.append(
        SlotMemory(
          memory: try MappedMemory(fd: fd, byteCount: Int(byteCount)),
          slotBytes: Int(description.slotBytes), slotCount: Int(description.slotCount)))
    }
    guard welcome.memoryOfGroup.count == hello.groups.count else {
      throw protocolFailure("the node does not know the engine's groups")
    }
    var slots: [SlotMemory] = []
    for index in welcome.memoryOfGroup {
      guard Int(index) < memories.count else { throw protocolFailure("a group has no memory") }
      slots.append(memories[Int(index)])
    }
    return slots
  }

  private static func protocolFailure(_ text: String) -> CallFailure {
    CallFailure(code: Int32(KVBM_PROTOCOL), text: text)
  }
}

/// A packet with its descriptors, which it closes unless they are taken.
private struct Packet: ~Copyable {
  let bytes: [UInt8]
  private(set) var descriptors: [Int32]

  static func receive(_ socket: Int32, _ deadline: Deadline) throws(CallFailure) -> Packet {
    var watch = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    while poll(&watch, 1, deadline.remainingMilliseconds) <= 0 {
      if deadline.hasPassed {
        throw CallFailure(code: Int32(KVBM_TIMEOUT), text: "the node did not greet in time")
      }
    }
    var descriptors = [Int32](repeating: -1, count: 4)
    var descriptorCount: Int32 = 4
    var received = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: WireFormat.packetBytesMax) {
      received = clinux_receive(
        socket, $0.baseAddress, $0.count, &descriptors, &descriptorCount, 1)
      $1 = max(0, received)
    }
    guard received > 0 else {
      throw CallFailure(code: Int32(KVBM_UNAVAILABLE), text: "the node closed the connection")
    }
    return Packet(bytes: bytes, descriptors: Array(descriptors.prefix(Int(descriptorCount))))
  }

  /// The descriptors from an index on become the caller's.
  mutating func takeDescriptors(from index: Int) -> [Int32] {
    let taken = Array(descriptors[index...])
    descriptors.removeSubrange(index...)
    return taken
  }

  deinit { for fd in descriptors { close(fd) } }
}
