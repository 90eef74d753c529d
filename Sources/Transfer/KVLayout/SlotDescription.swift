import BlockIdentity

/// Everything that a slot's header says about its block, but for the checksums.
///
/// It alone is enough to find and judge the block after a restart.
public struct SlotDescription: Hashable, Sendable {
  /// Within which keys have their meaning.
  public var namespace: Namespace
  /// Whose block it is; zero for nobody's in particular.
  public var tenantTag = Bytes16.zero
  /// The block's key in its sequence, before the group is folded in.
  public var key: BlockKey
  /// The key of the block before it, or none.
  public var parentKey = BlockKey.none
  /// Of the block in its sequence, counted in blocks.
  public var position: UInt32 = 0
  /// The cache group.
  public var group: UInt16 = 0
  /// Of the whole block.
  public var shape: BlockShape
  /// How many ranks wrote it, 1 to 64; all their parts are here.
  public var partCount: UInt16 = 1
  /// Dynamo's hash of the block's tokens, or 0.
  public var wireBlockHash: UInt64 = 0
  /// Dynamo's hash of the sequence up to here, or 0.
  public var wireSequenceHash: UInt64 = 0
  /// Nanoseconds since 1970.
  public var createdUnixNanoseconds: Int64 = 0
  /// Nanoseconds since 1970.
  public var lastUsedUnixNanoseconds: Int64 = 0
  /// Nanoseconds since 1970, 0 for never.
  public var expiresUnixNanoseconds: Int64 = 0
  /// Higher stays longer; 0 where nothing is said, and for a normal priority.
  public var priority: Int32 = 0
  /// Rises with every write of a store; of two slots with one key the higher one counts.
  public var writeSequence: UInt64 = 0
  /// Who made the bytes.
  public var producer = SlotProducer()
  /// How the slot is protected where it lies; nil where it is not, as in host memory.
  public internal(set) var protection: SlotProtection?

  /// A description with everything but the identity at its default.
  public init(namespace: Namespace, key: BlockKey, group: UInt16 = 0, shape: BlockShape) {
    self.namespace = namespace
    self.key = key
    self.group = group
    self.shape = shape
  }

  /// What a reader who wants this block must find.
  public var expectation: SlotExpectation {
    SlotExpectation(namespace: namespace, key: key, group: group, shape: shape)
  }
}

/// Who made a block's bytes: for people, and for tests of exchange between engines.
///
/// Text beyond a field's length in the header is cut there: 64, 32, 64, 32 and 32 bytes.
public struct SlotProducer: Hashable, Sendable {
  /// The engine and its version, "vllm 0.32.0".
  public var engine = ""
  /// This library's version.
  public var library = ""
  /// The host's name.
  public var host = ""
  /// The device, "cpu" or the GPU's name.
  public var device = ""
  /// The attention backend.
  public var attention = ""
  /// The host's boot.
  public var bootID = Bytes16.zero
  /// The node process.
  public var nodeInstance: UInt64 = 0

  /// Nobody.
  public init() {}
}

/// What a reader must find in a slot to take its bytes for the block that it wants.
public struct SlotExpectation: Hashable, Sendable {
  /// Within which the key has its meaning.
  public var namespace: Namespace
  /// The block's key in its sequence, before the group is folded in.
  public var key: BlockKey
  /// The cache group.
  public var group: UInt16
  /// Of the whole block.
  public var shape: BlockShape

  /// All of it.
  public init(namespace: Namespace, key: BlockKey, group: UInt16 = 0, shape: BlockShape) {
    self.namespace = namespace
    self.key = key
    self.group = group
    self.shape = shape
  }
}
