import BlockIdentity

/// What the messages of a ring are.
public enum MessageKind {
  /// Scheduler: a `KeyRun`, answered with a `MatchReply`.
  public static let match: UInt16 = 1
  /// Scheduler: a `StepMessage`, answered with a `StepReply`.
  public static let step: UInt16 = 2
  /// Worker: a `CompletedMessage`, without an answer.
  public static let completed: UInt16 = 3
  /// Scheduler: no body, answered with the node's figures as JSON.
  public static let statistics: UInt16 = 4
}

/// A run of a request's blocks, by their keys.
public struct KeyRun: Equatable, Sendable {
  /// The scheduler's number for the request.
  public var request: UInt64
  /// Of the first key in its sequence, counted in blocks.
  public var firstPosition: UInt32
  /// The key before the first one.
  public var parentKey: BlockKey
  /// The engine's own name of the request, with its first match; empty otherwise.
  public var name = ""
  /// Who pays for what the request brings, with its first run; empty otherwise, and for nobody in
  /// particular.
  public var tenant = ""
  /// The blocks' keys in order, `WireFormat.keyCountMax` at most.
  public var keys: [BlockKey]

  /// A run as given; its limits are checked by the reader.
  public init(request: UInt64, firstPosition: UInt32, parentKey: BlockKey, keys: [BlockKey]) {
    self.request = request
    self.firstPosition = firstPosition
    self.parentKey = parentKey
    self.keys = keys
  }

  /// Appends the run: 40 bytes, 16 for each key, and the texts'.
  public func encode(to writer: inout ByteWriter) {
    writer.put(request)
    writer.put(firstPosition)
    writer.put(parentKey)
    writer.putText(name)
    writer.putText(tenant)
    writer.putKeys(keys)
  }

  /// Reads a run of the version that was greeted in, which other fields may follow.
  ///
  /// - Throws: `malformed`, also for too many keys or a key that no digest can be.
  public init(from reader: inout ByteReader, version: UInt32) throws(WireError) {
    request = try reader.take()
    firstPosition = try reader.take()
    parentKey = try reader.takeKey()
    name = try reader.takeText()
    guard name.utf8.count <= WireFormat.nameBytesMax else { throw .malformed }
    if version >= WireFormat.tenantVersion {
      tenant = try reader.takeText()
      guard tenant.utf8.count <= WireFormat.tenantBytesMax else { throw .malformed }
    }
    keys = try reader.takeKeys()
    // No digest begins with eight zero bytes; pools mark empty slots with such a key.
    guard keys.count <= WireFormat.keyCountMax, keys.allSatisfy({ $0.high != 0 }) else {
      throw .malformed
    }
  }

  /// Reads a run of the present version.
  ///
  /// - Throws: As above.
  public init(from reader: inout ByteReader) throws(WireError) {
    try self.init(from: &reader, version: WireFormat.version)
  }

  /// A run takes at least this, in every version that is read.
  static let bytesMin = 36
}

/// The scheduler's answer to "what is there?".
public struct MatchReply: Equatable, Sendable {
  /// Blocks from the run's first on that are ready, and pinned until the step ends.
  public var readyCount: UInt32
  /// Blocks behind them that are being staged; while positive, ask again later.
  public var pendingCount: UInt32

  /// An answer; together the counts are at most those of the run.
  public init(readyCount: UInt32, pendingCount: UInt32) {
    self.readyCount = readyCount
    self.pendingCount = pendingCount
  }

  /// Appends the reply's fields.
  public func encode(to writer: inout ByteWriter) {
    writer.put(readyCount)
    writer.put(pendingCount)
  }

  /// Reads a whole message.
  ///
  /// - Throws: `malformed` unless the message is these fields and no more.
  public init(from reader: inout ByteReader) throws(WireError) {
    readyCount = try reader.take()
    pendingCount = try reader.take()
    try reader.finish()
  }
}

/// All that a scheduling step settles: requests that ended, promises taken up, blocks offered, how
/// long they are worth keeping, and when their conversations will be back.
public struct StepMessage: Equatable, Sendable {
  /// A request that takes up what its last match promised.
  public struct Load: Equatable, Sendable {
    /// The scheduler's number for the request.
    public var request: UInt64
    /// Blocks from the match's first on, at most as many as were ready.
    public var count: UInt32

    /// A load of so many blocks.
    public init(request: UInt64, count: UInt32) {
      self.request = request
      self.count = count
    }
  }

  /// A run of blocks that the step completes, offered to the node.
  public struct Store: Equatable, Sendable {
    /// The offered blocks.
    public var run: KeyRun
    /// By group: so many of the run's first blocks the engine has let go, and does not offer. Empty
    /// when it offers all of every group.
    public var firstOffered: [UInt32]

    /// An offer of a run, without its first blocks in some groups.
    public init(run: KeyRun, firstOffered: [UInt32] = []) {
      self.run = run
      self.firstOffered = firstOffered
    }

    /// Appends the run's fields and then the groups'.
    func encode(to writer: inout ByteWriter) {
      run.encode(to: &writer)
      writer.put(UInt32(truncatingIfNeeded: firstOffered.count))
      for first in firstOffered { writer.put(first) }
    }

    /// Reads an offer, which others may follow.
    ///
    /// - Throws: `malformed`, also for more groups than there can be.
    init(from reader: inout ByteReader, version: UInt32) throws(WireError) {
      run = try KeyRun(from: &reader, version: version)
      firstOffered = []
      let count = try reader.takeCount(itemBytes: 4)
      guard count <= WireFormat.groupCountMax else { throw .malformed }
      for _ in 0..<count { firstOffered.append(try reader.take()) }
    }

    /// An offer takes at least this.
    static let bytesMin = KeyRun.bytesMin + 4
  }

  /// Requests that are over; each is forgotten after the step's loads and stores.
  public var ended: [UInt64] = []
  /// Promises that are taken up; the reply has an entry for each, in this order.
  public var loads: [Load] = []
  /// Blocks that the step completes; the reply names those that are wanted.
  public var stores: [Store] = []
  /// What requests say of their blocks' worth; of meaning for loads and stores from this step on,
  /// until the request ends. A request that speaks again takes back what it said before.
  public var retentions: [Retention] = []
  /// What prefill took since the last message.
  public var prefill = Prefill()
  /// When requests' conversations will be back; a request's last word counts.
  public var returns: [Return] = []

  /// A step that settles nothing.
  public init() {}

  /// Whether the step needs no round trip. What prefill took can wait for the next one.
  public var isEmpty: Bool {
    ended.isEmpty && loads.isEmpty && stores.isEmpty && retentions.isEmpty && returns.isEmpty
  }

  /// Appends the message's fields.
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
    writer.put(UInt32(truncatingIfNeeded: retentions.count))
    for retention in retentions { retention.encode(to: &writer) }
    prefill.encode(to: &writer)
    writer.put(UInt32(truncatingIfNeeded: returns.count))
    for entry in returns { entry.encode(to: &writer) }
  }

  /// Reads a whole message of the present version.
  ///
  /// - Throws: `malformed` unless the message is these fields and no more.
  public init(from reader: inout ByteReader) throws(WireError) {
    try self.init(from: &reader, version: WireFormat.version)
  }

  /// Reads a whole message of the version that was greeted in.
  ///
  /// - Throws: `malformed` unless the message is these fields and no more.
  public init(from reader: inout ByteReader, version: UInt32) throws(WireError) {
    for _ in 0..<(try reader.takeCount(itemBytes: 8)) { ended.append(try reader.take()) }
    for _ in 0..<(try reader.takeCount(itemBytes: 12)) {
      loads.append(Load(request: try reader.take(), count: try reader.take()))
    }
    for _ in 0..<(try reader.takeCount(itemBytes: Store.bytesMin)) {
      stores.append(try Store(from: &reader, version: version))
    }
    let retentionCount = try reader.takeCount(itemBytes: Retention.byteCount)
    guard retentionCount <= WireFormat.retentionCountMax else { throw .malformed }
    for _ in 0..<retentionCount { retentions.append(try Retention(from: &reader)) }
    prefill = try Prefill(from: &reader)
    let returnCount = try reader.takeCount(itemBytes: Return.byteCount)
    guard returnCount <= WireFormat.returnCountMax else { throw .malformed }
    for _ in 0..<returnCount { returns.append(try Return(from: &reader)) }
    try reader.finish()
  }
}

/// What the node makes of a step, in the order of the message.
public struct StepReply: Equatable, Sendable {
  /// A load that was granted, or not: operation 0 and no slots.
  public struct Load: Equatable, Sendable {
    /// What workers report the load's end under; 0 when it was not granted.
    public var operation: UInt64
    /// Slots by group and then by block, `[group][block]`: `WireFormat.noBlock` where a group does
    /// not need the block.
    public var slots: [UInt32]

    /// A grant, or with 0 and no slots its absence.
    public init(operation: UInt64, slots: [UInt32]) {
      self.operation = operation
      self.slots = slots
    }
  }

  /// A block that is wanted, and where to.
  public struct Store: Equatable, Sendable {
    /// Which of the message's stores, and which block of it.
    public var run: UInt32
    /// The block, counted from the run's first.
    public var index: UInt32
    /// The cache group whose block it is.
    public var group: UInt32
    /// Where the block goes, in the host memory of its group.
    public var slot: UInt32
    /// What workers report the store's end under.
    public var operation: UInt64

    /// A slot for one block of one group.
    public init(run: UInt32, index: UInt32, group: UInt32, slot: UInt32, operation: UInt64) {
      self.run = run
      self.index = index
      self.group = group
      self.slot = slot
      self.operation = operation
    }
  }

  /// One for each load of the message, in its order.
  public var loads: [Load] = []
  /// Only the blocks that are absent and admitted; the others need no copy.
  public var stores: [Store] = []

  /// A reply that grants and wants nothing.
  public init() {}

  /// Appends the reply's fields.
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

  /// Reads a whole message; operations and slots are checked where they are used.
  ///
  /// - Throws: `malformed` unless the message is these fields and no more.
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
  /// How a rank's part of an operation ended.
  public enum Outcome: UInt32, Sendable {
    /// Copied whole; a load's bytes were checked as well.
    case success = 0
    /// Not copied, or not whole: a store's slot is given up, a load's source stays.
    case failure = 1
    /// A load's bytes did not fit their key or checksums: the copy is to be dropped.
    case corrupt = 2
  }

  /// One rank's end of one operation.
  public struct Part: Equatable, Sendable {
    /// The operation of a `StepReply`.
    public var operation: UInt64
    /// The worker's rank; the node goes by the connection's instead.
    public var part: UInt32
    /// How the part ended.
    public var outcome: Outcome

    /// A report on one part.
    public init(operation: UInt64, part: UInt32, outcome: Outcome) {
      self.operation = operation
      self.part = part
      self.outcome = outcome
    }
  }

  /// The reports, of any operations and in any order.
  public var parts: [Part]

  /// A message of these reports.
  public init(parts: [Part]) { self.parts = parts }

  /// Appends the message's fields: 4 bytes and 16 for each part.
  public func encode(to writer: inout ByteWriter) {
    writer.put(UInt32(truncatingIfNeeded: parts.count))
    for part in parts {
      writer.put(part.operation)
      writer.put(part.part)
      writer.put(part.outcome.rawValue)
    }
  }

  /// Reads a whole message.
  ///
  /// - Throws: `malformed` unless the message is these fields and no more.
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
