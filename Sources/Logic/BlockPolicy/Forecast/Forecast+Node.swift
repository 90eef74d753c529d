extension Forecast {
  /// A block as its child knows it: 6 bytes, so that a node is half a cache line.
  ///
  /// A stamp is made from the generation and comes again after 65,535 blocks of a slot. A block
  /// that outlives its parent by exactly as many is taken for another's child then: a preference
  /// that is wrong for one block, and nothing else.
  struct Name: Equatable, BitwiseCopyable {
    var slot: Slot
    var stamp: UInt16

    @inline(__always)
    init(_ block: BlockID) {
      slot = block.slot
      stamp =
        block.generation == 0
        ? 0 : UInt16(truncatingIfNeeded: block.generation % UInt32(UInt16.max) + 1)
    }

    static var none: Name { Name(.none) }
  }

  /// What is known of a slot's block.
  struct Node: BitwiseCopyable {
    /// The block before this one; stale when it has left before its child.
    var parent = Name.none
    /// That of the block's name; 0 without a block.
    var stamp: UInt16 = 0
    /// How many registered blocks name this one as their parent.
    var childCount: UInt32 = 0
    /// From its key; 0 while only its children are known.
    var tag: UInt32 = 0
    /// Its uses so far; of a block that has had none, turn and gap of the request that brought it.
    var past = BlockPast()
    /// The list that it is or was in.
    var reuse = ReuseClass(index: 0)
    /// How many blocks of its request up to here were new, 255 at most.
    var newCount: UInt8 = 0
    var flags: UInt8 = 0

    /// Whether it was released at least once.
    var isUsed: Bool { flags & Self.used != 0 }
    /// Whether it was passed over for its children.
    var isParked: Bool { flags & Self.parked != 0 }
    /// Whether it is from before a restart, and nothing has used it since.
    var isAdopted: Bool { flags & Self.adopted != 0 }
    /// Of a block that was not used yet: whether turn, gap and `newCount` do not follow from the
    /// block before it.
    var isAnchor: Bool { flags & (Self.used | Self.mark) == Self.mark }
    /// Of a used block: whether its next use has begun, and is not over.
    var isInUse: Bool { flags & (Self.used | Self.mark) == Self.used | Self.mark }
    /// The level of the time before the use that has begun, or brought the block.
    var gap: Int {
      get { Int(flags >> 4) }
      set { flags = flags & 0xf | UInt8(truncatingIfNeeded: newValue << 4) }
    }

    static let used: UInt8 = 1
    static let parked: UInt8 = 2
    static let adopted: UInt8 = 4
    /// An anchor, or in use.
    static let mark: UInt8 = 8
  }
}
