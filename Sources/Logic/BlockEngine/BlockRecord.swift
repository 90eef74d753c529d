import BlockPolicy

/// What a block is, wherever it lies: enough to find it again, and its place in its sequence.
public struct BlockRecord: Hashable, Sendable, BitwiseCopyable {
  /// The key in its sequence, the same in all groups.
  public var key: BlockKey
  /// The key before it; the sequence's root for the first block.
  public var parentKey: BlockKey
  /// Blocks before it in its sequence.
  public var position: UInt32
  /// Its cache group in the namespace.
  public var group: UInt8
  /// What its key belongs to.
  public var namespace: NamespaceID

  /// A block by its parts.
  public init(
    key: BlockKey, parentKey: BlockKey, position: UInt32, group: UInt8, namespace: NamespaceID
  ) {
    self.key = key
    self.parentKey = parentKey
    self.position = position
    self.group = group
    self.namespace = namespace
  }

  /// The record of no block.
  static var nothing: BlockRecord {
    BlockRecord(
      key: .none, parentKey: .none, position: 0, group: 0, namespace: NamespaceID(0))
  }

  /// The name that pools know it by.
  var indexKey: BlockKey { key.inGroup(Int(group)) }
  var parentIndexKey: BlockKey { parentKey.inGroup(Int(group)) }
}

/// Where a cache group of a namespace keeps its blocks.
public struct GroupPlace: Hashable, Sendable {
  /// The slots that are large enough for one block of the group, all parts.
  public var classID: ClassID
  /// Ranks that write a part each, 1...32.
  public var partCount: Int
  /// How many of its last blocks a prefix needs in this group, at least 1: those that a sliding
  /// window reaches back to. Nil when it needs them all: full attention.
  public var windowBlocks: Int?

  /// A group whose blocks have so many parts and lie in slots of that class.
  public init(classID: ClassID, partCount: Int, windowBlocks: Int? = nil) {
    self.classID = classID
    self.partCount = partCount
    self.windowBlocks = windowBlocks
  }
}

/// A block that a scan of a tier found in a slot; unread, so unproven.
public struct Resident: Hashable, Sendable {
  /// Where it was found.
  public var slot: UInt32
  /// What its header says that it is.
  public var record: BlockRecord
  /// Rises with every write to the tier; of two copies of one block the later one counts.
  public var writeSequence: UInt64
  /// Anything that orders uses in time.
  public var lastUsed: UInt64
  /// What its header says that it is worth.
  public var retention: Retention
  /// Who paid for it, by its header.
  public var payer: TenantID

  /// A block in a slot, with its history.
  public init(
    slot: UInt32, record: BlockRecord, writeSequence: UInt64, lastUsed: UInt64,
    retention: Retention = .normal, payer: TenantID = .standard
  ) {
    self.slot = slot
    self.record = record
    self.writeSequence = writeSequence
    self.lastUsed = lastUsed
    self.retention = retention
    self.payer = payer
  }
}
