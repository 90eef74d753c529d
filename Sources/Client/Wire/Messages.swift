import BlockIdentity

/// What the messages of a ring are.
public enum MessageKind {
  public static let match: UInt16 = 1
  public static let step: UInt16 = 2
  public static let completed: UInt16 = 3
  public static let statistics: UInt16 = 4
}

/// A run of a request's blocks, by their keys.
public struct KeyRun: Equatable, Sendable {
  public var request: UInt64
  /// Of the first key in its sequence, counted in blocks.
  public var firstPosition: UInt32
  /// The key before the first one.
  public var parentKey: BlockKey
  public var keys: [BlockKey]

  public init(request: UInt64, firstPosition: UInt32, parentKey: BlockKey, keys: [BlockKey]) {
    self.request = request
    self.firstPosition = firstPosition
    self.parentKey = parentKey
    self.keys = keys
  }

  public func encode(to writer: inout ByteWriter) {
    writer.put(request)
    writer.put(firstPosition)
    writer.put(parentKey)
    writer.putKeys(keys)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    request = try reader.take()
    firstPosition = try reader.take()
    parentKey = try reader.takeKey()
    keys = try reader.takeKeys()
    // No digest begins with eight zero bytes; pools mark empty slots with such a key.
    guard keys.count <= WireFormat.keyCountMax, keys.allSatisfy({ $0.high != 0 }) else {
      throw .malformed
    }
  }

  /// A run takes at least this.
  static let bytesMin = 32
}

/// The scheduler's answer to "what is there?".
public struct MatchReply: Equatable, Sendable {
  public var readyCount: UInt32
  public var pendingCount: UInt32

  public init(readyCount: UInt32, pendingCount: UInt32) {
    self.readyCount = readyCount
    self.pendingCount = pendingCount
  }

  public func encode(to writer: inout ByteWriter) {
    writer.put(readyCount)
    writer.put(pendingCount)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    readyCount = try reader.take()
    pendingCount = try reader.take()
    try reader.finish()
  }
}

/// All that a scheduling step settles: requests that ended, promises taken up, blocks offered.
public struct StepMessage: Equatable, Sendable {
  public struct Load: Equatable, Sendable {
    public var request: UInt64
    public var count: UInt32

    public init(request: UInt64, count: UInt32) {
      self.request = request
      self.count = count
    }
  }

  public var ended: [UInt64] = []
  public var loads: [Load] = []
  public var stores: [KeyRun] = []

  public init() {}

  public var isEmpty: Bool { ended.isEmpty && loads.isEmpty && stores.isEmpty }

  public func encode(to writer: inout ByteWriter) {
    writer.put(UInt32(truncatingIfNeeded: ended.count))
    for request in ended { writer.put(request) }
    writer.put(UInt32(truncatingIfNeeded: loads.count))
    for load in loads {
      writer.put(load.request)
      writer.put(load.count)
    }
    writer.put(UInt32(truncatingIfNeeded: stores.count))
    for store in stores { store.encode(to: &writer) }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    for _ in 0..<(try reader.takeCount(itemBytes: 8)) { ended.append(try reader.take()) }
    for _ in 0..<(try reader.takeCount(itemBytes: 12)) {
      loads.append(Load(request: try reader.take(), count: try reader.take()))
    }
    for _ in 0..<(try reader.takeCount(itemBytes: KeyRun.bytesMin)) {
      stores.append(try KeyRun(from: &reader))
    }
    try reader.finish()
  }
}

/// What the node makes of a step, in the order of the message.
public struct StepReply: Equatable, Sendable {
  /// A load that was granted, or not: operation 0 and no slots.
  public struct Load: Equatable, Sendable {
    public var operation: UInt64
    /// Slots by group and then by block: `[group][block]`.
    public var slots: [UInt32]

    public init(operation: UInt64, slots: [UInt32]) {
      self.operation = operation
      self.slots = slots
    }
  }

  /// A block that is wanted, and where to.
  public struct Store: Equatable, Sendable {
    /// Which of the message's stores, and which block of it.
    public var run: UInt32
    public var index: UInt32
    public var group: UInt32
    public var slot: UInt32
    public var operation: UInt64

    public init(run: UInt32, index: UInt32, group: UInt32, slot: UInt32, operation: UInt64) {
      self.run = run
      self.index = index
      self.group = group
      self.slot = slot
      self.operation = operation
    }
  }

  public var loads: [Load] = []
  public var stores: [Store] = []

  public init() {}

  public func encode(to writer: inout ByteWriter) {
    writer.put(UInt32(truncatingIfNeeded: loads.count))
    for load in loads {
      writer.put(load.operation)
      writer.put(UInt32(truncatingIfNeeded: load.slots.count))
      for slot in load.slots { writer.put(slot) }
    }
    writer.put(UInt32(truncatingIfNeeded: stores.count))
    for store in stores {
      writer.put(store.run)
      writer.put(store.index)
      writer.put(store.group)
      writer.put(store.slot)
      writer.put(store.operation)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    for _ in 0..<(try reader.takeCount(itemBytes: 12)) {
      let operation: UInt64 = try reader.take()
      var slots: [UInt32] = []
      for _ in 0..<(try reader.takeCount(itemBytes: 4)) { slots.append(try reader.take()) }
      loads.append(Load(operation: operation, slots: slots))
    }
    for _ in 0..<(try reader.takeCount(itemBytes: 24)) {
      stores.append(
        Store(
          run: try reader.take(), index: try reader.take(), group: try reader.take(),
          slot: try reader.take(), operation: try reader.take()))
    }
    try reader.finish()
  }
}

/// How parts of operations ended, as a worker tells it. No reply.
public struct CompletedMessage: Equatable, Sendable {
  public enum Outcome: UInt32, Sendable {
    case success = 0
    case failure = 1
    case corrupt = 2
  }

  public struct Part: Equatable, Sendable {
    public var operation: UInt64
    public var part: UInt32
    public var outcome: Outcome

    public init(operation: UInt64, part: UInt32, outcome: Outcome) {
      self.operation = operation
      self.part = part
      self.outcome = outcome
    }
  }

  public var parts: [Part]

  public init(parts: [Part]) { self.parts = parts }

  public func encode(to writer: inout ByteWriter) {
    writer.put(UInt32(truncatingIfNeeded: parts.count))
    for part in parts {
      writer.put(part.operation)
      writer.put(part.part)
      writer.put(part.outcome.rawValue)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    parts = []
    for _ in 0..<(try reader.takeCount(itemBytes: 16)) {
      let operation: UInt64 = try reader.take()
      let part: UInt32 = try reader.take()
      guard let outcome = Outcome(rawValue: try reader.take()) else { throw .malformed }
      parts.append(Part(operation: operation, part: part, outcome: outcome))
    }
    try reader.finish()
  }
}
