import BlockEngine
import BlockIdentity
import CLinux
import DiskTier
import Glibc
import KVLayout
import Wire

extension Node {
  /// A packet has come on a connection's socket, or its end.
  func receive(from connection: ClientConnection) {
    var bytes = [UInt8](repeating: 0, count: WireFormat.packetBytesMax)
    var descriptorCount: Int32 = 0
    let count = bytes.withUnsafeMutableBytes {
      clinux_receive(connection.socket, $0.baseAddress, $0.count, nil, &descriptorCount, 1)
    }
    guard count > 0 else {
      if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
      return drop(connection)
    }
    let packet = Array(bytes.prefix(count))
    if packet == WireFormat.goodbye {
      connection.saidGoodbye = true
    } else if let question = NodeQuestion(packet: packet) {
      _ = connection.send(core.answer(question))
    } else if connection.channel == nil {
      greet(connection, packet)
    } else {
      drop(connection)
    }
  }

  private func greet(_ connection: ClientConnection, _ packet: [UInt8]) {
    do throws(NodeError) {
      let hello: Hello
      do throws(WireError) {
        hello = try packet.decode { (reader) throws(WireError) in try Hello(from: &reader) }
      } catch {
        throw .refused(
          error.sentence(
            theirs: "the engine's library", mine: "this node, kvbm \(NodeVersion.text),",
            spoken: WireFormat.nodeVersions))
      }
      connection.version = hello.version
      try attach(connection, hello)
    } catch {
      NodeLog.warning("pid \(connection.process) is refused: \(error)")
      _ = connection.send(Welcome(version: connection.version, refusal: error.description).encode())
      drop(connection)
    }
  }

  private func attach(_ connection: ClientConnection, _ hello: Hello) throws(NodeError) {
    let groups = try Self.groups(of: hello)
    let session = try session(for: hello, groups)
    guard connection.openChannel(), let channel = connection.channel else {
      throw .system("the node has no memory for another attachment")
    }
    connection.role = hello.role
    connection.rank = hello.role == .worker ? hello.rank : 0
    session.join(connection)
    lifetime.sessionBegan()
    watch(connection, channel.requestBell) { [unowned self, unowned connection] in
      serve(connection)
    }
    // Blocks that come before the tiers have their first slots would not be kept.
    let (socket, number) = (connection.socket, connection.number)
    keeper.whenUsable(session.namespace.places.map(\.classID)) { [self] in
      loop.post { [self] in
        // The connection may have gone meanwhile, and another one have its number.
        guard let connection = connections[socket], connection.number == number
        else { return }
        finishAttaching(connection)
      }
    }
  }

  private func finishAttaching(_ connection: ClientConnection) {
    guard let channel = connection.channel, let session = sessions[connection.session],
      welcome(connection, channel, session)
    else { return drop(connection) }
    serve(connection)
    let side = connection.role == .scheduler ? "scheduler" : "worker \(connection.rank)"
    NodeLog.info(
      "session \(session.id): \(side) of pid "
        + "\(connection.process) attached, namespace "
        + "\(session.namespace.namespace.digest.description.prefix(12))")
  }

  /// Sends the greeting with the rings, then each host memory of the engine.
  private func welcome(
    _ connection: ClientConnection, _ channel: Channel, _ session: Session
  ) -> Bool {
    var memories: [ClassID] = []
    var memoryOfGroup: [UInt32] = []
    for place in session.namespace.places {
      let index = memories.firstIndex(of: place.classID) ?? memories.count
      if index == memories.count { memories.append(place.classID) }
      memoryOfGroup.append(UInt32(index))
    }
    let welcome = Welcome(
      version: connection.version, nodeInstance: core.instance, session: session.id,
      memoryOfGroup: memoryOfGroup,
      memoryCount: UInt32(memories.count))
    guard
      connection.send(
        welcome.encode(), [channel.fd, channel.requestBell, channel.replyBell])
    else { return false }
    for classID in memories {
      let memory = core.state.withLock { $0.classes[Int(classID.rawValue)].memory }
      let description = MemoryDescription(
        slotBytes: UInt64(memory.slotBytes), slotCount: UInt32(memory.slotCount))
      guard connection.send(description.encode(), [memory.fd]) else { return false }
    }
    return true
  }

  private static func groups(of hello: Hello) throws(NodeError) -> [OpeningGroup] {
    guard (1...WireFormat.groupCountMax).contains(hello.groups.count),
      (1...32).contains(hello.workerCount), hello.rank < hello.workerCount
    else { throw .refused("the greeting names no role, groups or workers that can be") }
    var groups: [OpeningGroup] = []
    for (index, group) in hello.groups.enumerated() {
      guard group.blockTokens == hello.groups[0].blockTokens else {
        throw .refused("groups of different block sizes are not served")
      }
      groups.append(try OpeningGroup(group, index: index))
    }
    return groups
  }

  /// The session that waits for this side, or a new one.
  private func session(
    for hello: Hello, _ groups: [OpeningGroup]
  ) throws(NodeError) -> Session {
    for session in sessions.values where session.engineUID == hello.engineUID {
      if session.hasRoom(for: hello) { return session }
      // The side is back before its end was noticed: the old session goes as a whole.
      session.close()
    }
    let entry = try openNamespace(hello, groups)
    lastSession += 1
    let session = Session(
      id: core.instance &+ lastSession, engineUID: hello.engineUID,
      engine: EngineID(UInt32(truncatingIfNeeded: lastSession)), namespace: entry,
      workerCount: hello.workerCount)
    sessions[session.id] = session
    core.state.withLock { state in
      state.sessionCount = sessions.count
      for place in entry.places {
        state.servedClasses[Int(place.classID.rawValue), default: 0] += 1
      }
    }
    return session
  }

  /// A tier that holds fewer blocks than this is a mistake.
  private static let blockCountMin = 4

  private func openNamespace(
    _ hello: Hello, _ groups: [OpeningGroup]
  ) throws(NodeError) -> NamespaceEntry {
    let tiers = [
      ("host.capacity", configuration.hostCapacityBytes),
      ("disk.capacity", configuration.disk?.capacityBytes ?? .max),
    ]
    for shape in groups.map(\.shape) {
      for (key, bytes) in tiers where bytes / shape.slotBytes < Self.blockCountMin {
        throw .refused(
          "\(key) is \(ByteSize(bytes: bytes)), which holds \(bytes / shape.slotBytes) blocks of "
            + "\(ByteSize(bytes: shape.slotBytes)); it must hold \(Self.blockCountMin) at least")
      }
    }
    let namespace = hello.namespaceDescription.withUnsafeBytes { Namespace(description: $0) }
    do throws(DiskTierError) {
      try core.store?.noteNamespace(namespace, description: hello.namespaceDescription)
    } catch {
      NodeLog.warning("the namespace's description is not on disk: \(error)")
    }
    let configuration = configuration
    let producer = producer(of: hello)
    return try core.state.withLock { (state) throws(NodeError) in
      var places: [GroupPlace] = []
      for group in groups {
        let classID = try state.openClass(
          slotBytes: group.shape.slotBytes, hostCapacityBytes: configuration.hostCapacityBytes,
          diskCapacityBytes: core.store?.capacityBytes)
        // One part, whatever the number of ranks: they share one namespace. See `RankTally`.
        places.append(
          GroupPlace(classID: classID, partCount: 1, windowBlocks: group.windowBlocks))
      }
      return try state.openNamespace(
        namespace, description: hello.namespaceDescription, groups: groups, places: places,
        producer: producer)
    }
  }

  private func producer(of hello: Hello) -> SlotProducer {
    var producer = SlotProducer()
    producer.engine = hello.producerEngine
    producer.device = hello.producerDevice
    producer.attention = hello.producerAttention
    producer.library = "kvbm \(NodeVersion.text)"
    producer.host = HostFacts.name
    producer.bootID = HostFacts.bootID
    producer.nodeInstance = core.instance
    return producer
  }

  /// Serves all messages that have come, then sleeps until the bell.
  private func serve(_ connection: ClientConnection) {
    guard let channel = connection.channel else { return }
    clinux_eventfd_drain(channel.requestBell)
    let handler = RequestHandler(core: core)
    var body: [UInt8] = []
    do throws(WireError) {
      repeat {
        channel.requests.stayAwake()
        while let header = try channel.requests.receive(into: &body) {
          guard let session = sessions[connection.session],
            handler.serve(header, body, connection, session)
          else {
            NodeLog.warning("pid \(connection.process) broke the protocol")
            return revoke(connection)
          }
        }
      } while !channel.requests.prepareToSleep()
    } catch {
      NodeLog.warning("pid \(connection.process): \(error)")
      revoke(connection)
    }
  }

  /// Asks a side that cannot be served to let go, and with it its session.
  private func revoke(_ connection: ClientConnection) {
    connection.revoke()
    sessions[connection.session]?.close()
  }
}
