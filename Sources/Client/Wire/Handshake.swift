/// One cache group as an engine describes it, over all ranks.
public struct GroupDescription: Equatable, Sendable {
  /// What the layers keep, by the `KVBM_GROUP_` numbers of kvbm.h.
  public var kind: UInt32
  /// KV heads, over all ranks.
  public var headCount: UInt32
  /// Layers that share the block table.
  public var layerCount: UInt32
  /// Tokens in a block; the library wants them equal in all groups of an engine.
  public var blockTokens: UInt32
  /// Bytes of K and V together, of one token, one head, one layer.
  public var tokenBytes: UInt32
  /// Bytes of one element of K or V.
  public var elementBytes: UInt32
  /// Tokens that a position of a sliding group attends to, itself included; 0 in other groups.
  public var windowTokens: UInt32

  /// A description as given; nothing is checked here.
  public init(
    kind: UInt32, headCount: UInt32, layerCount: UInt32, blockTokens: UInt32, tokenBytes: UInt32,
    elementBytes: UInt32, windowTokens: UInt32 = 0
  ) {
    self.kind = kind
    self.headCount = headCount
    self.layerCount = layerCount
    self.blockTokens = blockTokens
    self.tokenBytes = tokenBytes
    self.elementBytes = elementBytes
    self.windowTokens = windowTokens
  }
}

/// Which side of an inference engine attaches.
public enum Role: UInt32, Sendable {
  /// Keeps the requests, matches and decides; one in a session.
  case scheduler = 1
  /// Copies a rank's part of every block; one for each rank.
  case worker = 2
}

/// The first packet: who attaches, and with what.
public struct Hello: Equatable, Sendable {
  /// The protocol's version in which the client speaks, and wants to be answered.
  public var version: UInt32
  /// The side that this connection is.
  public var role: Role
  /// Random per engine instance, 16 bytes: what makes a scheduler and its workers one session.
  public var engineUID: [UInt8]
  /// The worker's number, below `workerCount`; 0 for the scheduler.
  public var rank: UInt32
  /// Workers of the engine, and so the parts of each of its blocks.
  public var workerCount: UInt32
  /// The engine's cache groups in order; the same on all of its sides.
  public var groups: [GroupDescription]
  /// The runtime that computes the blocks, as in "vllm 0.32.0"; for the headers of blocks.
  public var producerEngine: String
  /// The device that computes the blocks, as the engine names it.
  public var producerDevice: String
  /// The attention backend that computes the blocks, as the engine names it.
  public var producerAttention: String
  /// The namespace's canonical description.
  public var namespaceDescription: [UInt8]

  /// A greeting; `engineUID` must have 16 bytes, or the node cannot read it.
  public init(
    version: UInt32 = WireFormat.version, role: Role, engineUID: [UInt8], rank: UInt32,
    workerCount: UInt32,
    groups: [GroupDescription], producerEngine: String, producerDevice: String,
    producerAttention: String, namespaceDescription: [UInt8]
  ) {
    self.version = version
    self.role = role
    self.engineUID = engineUID
    self.rank = rank
    self.workerCount = workerCount
    self.groups = groups
    self.producerEngine = producerEngine
    self.producerDevice = producerDevice
    self.producerAttention = producerAttention
    self.namespaceDescription = namespaceDescription
  }

  /// The packet, `WireFormat.packetBytesMax` bytes at most for a node to take it.
  public func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.put(WireFormat.helloMagic)
    writer.put(version)
    writer.put(role.rawValue)
    writer.putBlob(engineUID)
    writer.put(rank)
    writer.put(workerCount)
    writer.put(UInt32(truncatingIfNeeded: groups.count))
    for group in groups {
      writer.put(group.kind)
      writer.put(group.headCount)
      writer.put(group.layerCount)
      writer.put(group.blockTokens)
      writer.put(group.tokenBytes)
      writer.put(group.elementBytes)
      writer.put(group.windowTokens)
    }
    writer.putText(producerEngine)
    writer.putText(producerDevice)
    writer.putText(producerAttention)
    writer.putBlob(namespaceDescription)
    return writer.bytes
  }

  /// - Throws: `malformed`, or `version` when the other side is of another release.
  public init(from reader: inout ByteReader) throws(WireError) {
    guard try reader.take(UInt64.self) == WireFormat.helloMagic else { throw .malformed }
    version = try reader.take()
    guard WireFormat.nodeVersions.contains(version) else { throw .version(version) }
    guard let role = Role(rawValue: try reader.take()) else { throw .malformed }
    self.role = role
    engineUID = Array(try reader.takeBlob())
    guard engineUID.count == 16 else { throw .malformed }
    rank = try reader.take()
    workerCount = try reader.take()
    groups = []
    for _ in 0..<(try reader.takeCount(itemBytes: 28)) {
      groups.append(
        GroupDescription(
          kind: try reader.take(), headCount: try reader.take(), layerCount: try reader.take(),
          blockTokens: try reader.take(), tokenBytes: try reader.take(),
          elementBytes: try reader.take(), windowTokens: try reader.take()))
    }
    producerEngine = try reader.takeText()
    producerDevice = try reader.takeText()
    producerAttention = try reader.takeText()
    namespaceDescription = Array(try reader.takeBlob())
    try reader.finish()
  }
}

/// The node's answer, with the ring's memory and both doorbells as descriptors.
///
/// One packet for each of `memoryCount` host memories follows, each with its descriptor.
public struct Welcome: Equatable, Sendable {
  /// The protocol's version that both sides speak from here on; that of the greeting.
  public var version: UInt32
  /// Empty when attached; otherwise why not, with the remedy.
  public var refusal: String
  /// Differs for every node process.
  public var nodeInstance: UInt64
  /// Common to a scheduler and its workers; a plan is good only within its session.
  public var session: UInt64
  /// The host memory of each group, by index.
  public var memoryOfGroup: [UInt32]
  /// How many packets with a host memory each follow.
  public var memoryCount: UInt32

  /// An answer; with a refusal the other fields mean nothing.
  public init(
    version: UInt32 = WireFormat.version, refusal: String = "", nodeInstance: UInt64 = 0,
    session: UInt64 = 0,
    memoryOfGroup: [UInt32] = [], memoryCount: UInt32 = 0
  ) {
    self.version = version
    self.refusal = refusal
    self.nodeInstance = nodeInstance
    self.session = session
    self.memoryOfGroup = memoryOfGroup
    self.memoryCount = memoryCount
  }

  /// The packet; its descriptors travel beside it.
  public func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.put(WireFormat.helloMagic)
    writer.put(version)
    writer.putText(refusal)
    writer.put(nodeInstance)
    writer.put(session)
    writer.put(UInt32(truncatingIfNeeded: memoryOfGroup.count))
    for memory in memoryOfGroup { writer.put(memory) }
    writer.put(memoryCount)
    return writer.bytes
  }

  /// Reads the node's packet.
  ///
  /// - Throws: `malformed`, or `version` when the node is of another release.
  public init(from reader: inout ByteReader) throws(WireError) {
    guard try reader.take(UInt64.self) == WireFormat.helloMagic else { throw .malformed }
    version = try reader.take()
    guard version == WireFormat.version else { throw .version(version) }
    refusal = try reader.takeText()
    nodeInstance = try reader.take()
    session = try reader.take()
    memoryOfGroup = []
    for _ in 0..<(try reader.takeCount(itemBytes: 4)) { memoryOfGroup.append(try reader.take()) }
    memoryCount = try reader.take()
    try reader.finish()
  }
}

/// One host memory: slots of one size, one after the other, from the descriptor's beginning.
public struct MemoryDescription: Equatable, Sendable {
  /// Bytes from one slot's beginning to the next one's.
  public var slotBytes: UInt64
  /// Slots of the whole memory, with pages or not yet.
  public var slotCount: UInt32

  /// A memory of so many slots.
  public init(slotBytes: UInt64, slotCount: UInt32) {
    self.slotBytes = slotBytes
    self.slotCount = slotCount
  }

  /// The packet; the memory's descriptor travels beside it.
  public func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.put(slotBytes)
    writer.put(slotCount)
    return writer.bytes
  }

  /// Reads the node's packet.
  ///
  /// - Throws: `malformed`; the sizes are not checked against each other.
  public init(from reader: inout ByteReader) throws(WireError) {
    slotBytes = try reader.take()
    slotCount = try reader.take()
    try reader.finish()
  }
}
