/// The slots of one class in one tier, and what each holds.
struct ClassPool: ~Copyable {
  /// What the engine notes about a slot beside its record.
  struct Note: BitwiseCopyable {
    /// The write that made a disk copy: that of the scan, or `.max` for one of this run.
    var writeSequence: UInt64
    /// Reads of a disk copy that failed in a row.
    var failureCount: UInt8
    /// A host block waits in the write queue.
    var isWriteQueued: Bool
    /// A host block waits to be put into the object store, or is being put.
    var isBeingPut: Bool
    /// Requests that a host block is staged for.
    var holdCount: UInt32

    /// What is known of a new block.
    init(writeSequence: UInt64) {
      self.writeSequence = writeSequence
      failureCount = 0
      isWriteQueued = false
      isBeingPut = false
      holdCount = 0
    }
  }

  /// A block that a scan found, until the scan is finished.
  struct Adopted {
    let block: BlockID
    let lastUsed: UInt64
  }

  var pool: BlockPool<TierPolicy>
  /// By slot; of meaning for registered and filling blocks.
  let records: Column<BlockRecord>
  let notes: Column<Note>
  var adopted: [Adopted] = []
  /// Host blocks that are kept until a time, and by slot the end of each pin.
  var pins: DeadlineWheel
  let pinEnds: Column<UInt64>
  /// Host blocks of this class that at least one request holds or waits for.
  var stagedBlockCount = 0
  /// By tenant: slots that are being filled for it. Empty where the tier is not divided.
  var arrivalCounts: [Int]

  init(
    capacity: Int, seed: UInt64, eviction: EvictionChoice, tickNanoseconds: UInt64,
    tenantLimit: Int
  ) {
    // A tier that is not there needs no memory of what it has seen.
    let choice = capacity > 0 ? eviction : .lru
    if tenantLimit > 0 {
      let policy = TierPolicy(
        choice, capacity: capacity, retentionTickNanoseconds: tickNanoseconds,
        tenantLimit: tenantLimit)
      pool = BlockPool(capacity: capacity, seed: seed, policy: policy)
    } else {
      let policy = TierPolicy(
        choice, capacity: capacity, retentionTickNanoseconds: tickNanoseconds)
      pool = BlockPool(capacity: capacity, seed: seed, policy: policy)
    }
    arrivalCounts = Array(repeating: 0, count: tenantLimit)
    records = Column(zeroed: capacity)
    notes = Column(zeroed: capacity)
    pinEnds = Column(zeroed: capacity)
    pins = DeadlineWheel(capacity: capacity, tickNanoseconds: tickNanoseconds)
  }

  deinit {
    records.deallocate()
    notes.deallocate()
    pinEnds.deallocate()
  }

  /// The block before a record's in its sequence, where it is registered here.
  func parent(of record: BlockRecord) -> BlockID? { pool.block(for: record.parentIndexKey) }
}

/// The pools of all classes in both tiers: the pointer code of this module.
///
/// Pools are not copyable, so no array can hold them. The table owns them; a subscript is a place
/// inside it, and changing one pool does not conflict with reading another.
struct PoolTable: ~Copyable {
  static var classLimit: Int { 16 }

  private let base: UnsafeMutablePointer<ClassPool>
  private(set) var slotBytes: [Int] = []
  private let eviction: Eviction
  private let tickNanoseconds: UInt64
  private let tenantLimit: Int

  /// - Parameters:
  ///   - tickNanoseconds: The unit of the times for which blocks are worth more, or pinned.
  ///   - tenantLimit: How many tenants share the tiers; 0 when they are not divided.
  init(_ eviction: Eviction, tickNanoseconds: UInt64, tenantLimit: Int) {
    base = .allocate(capacity: 2 * Self.classLimit)
    self.eviction = eviction
    self.tickNanoseconds = tickNanoseconds
    self.tenantLimit = tenantLimit
  }

  deinit {
    base.deinitialize(count: 2 * slotBytes.count)
    base.deallocate()
  }

  var classCount: Int { slotBytes.count }

  /// Whether the class was opened.
  func contains(_ classID: ClassID) -> Bool { Int(classID.rawValue) < slotBytes.count }

  /// Adds a class; there must be room.
  mutating func append(
    slotBytes: Int, hostSlotLimit: Int, diskSlotLimit: Int, seed: UInt64
  ) -> ClassID {
    precondition(classCount < Self.classLimit, "too many slot classes")
    let place = base + 2 * classCount
    place.initialize(
      to: ClassPool(
        capacity: hostSlotLimit, seed: seed, eviction: eviction.host,
        tickNanoseconds: tickNanoseconds, tenantLimit: tenantLimit))
    (place + 1).initialize(
      to: ClassPool(
        capacity: diskSlotLimit, seed: seed, eviction: eviction.disk,
        tickNanoseconds: tickNanoseconds, tenantLimit: tenantLimit))
    self.slotBytes.append(slotBytes)
    return ClassID(UInt8(classCount - 1))
  }

  /// Tells all pools the time.
  func advance(to nanoseconds: UInt64) {
    for place in 0..<(2 * classCount) { base[place].pool.advance(to: nanoseconds) }
  }

  subscript(tier: Tier, classID: ClassID) -> ClassPool {
    unsafeAddress {
      assert(contains(classID))
      return UnsafePointer(base + (2 * Int(classID.rawValue) + Int(tier.rawValue)))
    }
    nonmutating unsafeMutableAddress {
      assert(contains(classID))
      return base + (2 * Int(classID.rawValue) + Int(tier.rawValue))
    }
  }
}
