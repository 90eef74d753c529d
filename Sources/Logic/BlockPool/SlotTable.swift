/// What a slot is used for. Exactly one at a time, so the counts add up to the capacity.
enum SlotState: UInt8, BitwiseCopyable {
  /// No memory behind it; the state of a slot that no extent has brought.
  case absent
  /// Nothing; on the free stack.
  case free
  /// Being written; the parts that have succeeded are counted.
  case filling
  /// Complete, and found by its key. Pinned, or cached.
  case registered
  /// Complete and pinned, but no longer found; free at its last release.
  case condemned
  /// Given up, yet somebody may still write to it; free when that is known to be over.
  case quarantined
}

/// How many slots are in each state; they add up to the capacity, always.
public struct SlotCounts: Equatable, Sendable, BitwiseCopyable {
  /// Without memory: no extent has brought them, or theirs was retired.
  public var absent = 0
  /// With memory and without a block.
  public var free = 0
  /// Being written.
  public var filling = 0
  /// Registered or condemned, and in use.
  public var pinned = 0
  /// Registered and in nobody's use.
  public var cached = 0
  /// Given up, and perhaps still written to.
  public var quarantined = 0

  /// These counts.
  public init(
    absent: Int = 0, free: Int = 0, filling: Int = 0, pinned: Int = 0, cached: Int = 0,
    quarantined: Int = 0
  ) {
    self.absent = absent
    self.free = free
    self.filling = filling
    self.pinned = pinned
    self.cached = cached
    self.quarantined = quarantined
  }

  /// The pool's capacity.
  public var total: Int { absent + usable }
  /// The slots that have memory.
  public var usable: Int { free + filling + pinned + cached + quarantined }
  /// What an allocation can get, by taking free slots and evicting cached blocks.
  public var available: Int { free + cached }
}

/// The slots of one pool and their states. Only blocks (`Block`) and the pool change it.
///
/// A value of this type is a reference: the pool owns the columns and every handle holds a copy, so
/// that a dropped handle can give its slot back.
struct SlotTable: BitwiseCopyable {
  struct Mark: BitwiseCopyable {
    /// Rises whenever a block leaves the slot; 1 or more once the slot has memory.
    var generation: UInt32
    /// One of the three below, as the state has it.
    private var word: UInt32
    var state: SlotState
    /// A scan found the block here, and nobody has used it since.
    var isUntouched: Bool

    @inline(__always)
    init(generation: UInt32, word: UInt32, state: SlotState, isUntouched: Bool) {
      self.generation = generation
      self.word = word
      self.state = state
      self.isUntouched = isUntouched
    }

    /// Whether the block has been complete, and so may have pins.
    @inline(__always) var isPinnable: Bool { state == .registered || state == .condemned }
    /// Users; of a registered or condemned block only.
    @inline(__always) var pinCount: UInt32 {
      get { word }
      set { word = newValue }
    }
    /// The parts that have not succeeded, as a bit mask; of a filling or quarantined block only.
    @inline(__always) var missingParts: UInt32 {
      get { word }
      set { word = newValue }
    }
    /// The free slot under this one; of a free slot only.
    @inline(__always) var below: Slot {
      get { Slot(word) }
      set { word = newValue.rawValue }
    }
  }

  private struct Tally: BitwiseCopyable {
    var counts: SlotCounts
    /// The free slot that was given back last; of meaning while some slot is free.
    var top = Slot.none
  }

  let marks: Column<Mark>
  private let tally: Column<Tally>

  /// All slots are absent.
  init(capacity: Int) {
    marks = Column(zeroed: capacity)
    tally = Column(zeroed: 1)
    tally[0] = Tally(counts: SlotCounts(absent: capacity))
  }

  func deallocate() {
    marks.deallocate()
    tally.deallocate()
  }

  @inline(__always) var counts: SlotCounts {
    get { tally[0].counts }
    nonmutating _modify { yield &tally[0].counts }
  }

  @inline(__always)
  func id(of slot: Slot) -> BlockID { BlockID(slot: slot, generation: marks[slot].generation) }

  /// Begins to bring what is noted of a slot near.
  @inline(__always)
  func prefetch(_ slot: Slot) { marks.prefetch(slot.index) }

  /// Whether the id is current and its slot is in that state.
  @inline(__always)
  func holds(_ block: BlockID, _ state: SlotState) -> Bool {
    guard block.slot.index < marks.count else { return false }
    let mark = marks[block.slot]
    return mark.generation == block.generation && mark.state == state
  }

  // MARK: Transitions that no handle covers

  /// The top of the free stack becomes a block without content; nil when the stack is empty.
  @inline(__always)
  func takeFree() -> Block<Reset>? {
    guard counts.free > 0 else { return nil }
    counts.free &-= 1
    counts.filling &+= 1
    let slot = tally[0].top
    tally[0].top = marks[slot].below
    return Block(slot: slot, in: self)
  }

  /// The slot of a cached block that has just been evicted becomes a block without content.
  @inline(__always)
  func recycle(_ slot: Slot) -> Block<Reset> {
    assert(marks[slot].state == .registered && marks[slot].pinCount == 0)
    counts.cached &-= 1
    counts.filling &+= 1
    marks[slot].generation = Self.following(marks[slot].generation)
    return Block(slot: slot, in: self)
  }

  /// The content has ended: ids go stale, and the slot is free. The caller has taken it off the
  /// count of its old state.
  @inline(__always)
  func reclaim(_ slot: Slot) {
    marks[slot] = Mark(
      generation: Self.following(marks[slot].generation), word: tally[0].top.rawValue,
      state: .free, isUntouched: false)
    tally[0].top = slot
    counts.free &+= 1
  }

  /// The generation after another: never 0, which `BlockID.none` and absent slots have.
  @inline(__always)
  private static func following(_ generation: UInt32) -> UInt32 {
    generation == .max ? 1 : generation &+ 1
  }

  /// An absent slot that holds a block from before becomes registered and cached.
  func adopt(_ slot: Slot) {
    assert(marks[slot].state == .absent)
    counts.absent -= 1
    counts.cached += 1
    marks[slot] = Mark(
      generation: Self.following(marks[slot].generation), word: 0, state: .registered,
      isUntouched: true)
  }

  /// Gives the slot memory.
  func back(_ slot: Slot) {
    assert(marks[slot].state == .absent)
    counts.absent -= 1
    reclaim(slot)
  }

  /// All slots of the range, which are free, lose their memory.
  ///
  /// - Complexity: O(free slots).
  func retire(_ slots: Range<UInt32>) {
    var kept = Slot.none
    var slot = tally[0].top
    for _ in 0..<counts.free {
      let below = marks[slot].below
      if !slots.contains(slot.rawValue) {
        if kept == .none { tally[0].top = slot } else { marks[kept].below = slot }
        kept = slot
      }
      slot = below
    }
    counts.free -= slots.count
    counts.absent += slots.count
    for slot in slots { marks[Slot(slot)].state = .absent }
  }

  /// Throws unless the free slots are all that is on the free stack, each once.
  ///
  /// - Complexity: O(capacity).
  func checkFreeSlots() throws(BrokenInvariant) {
    var slot = tally[0].top
    var isSeen = [Bool](repeating: false, count: marks.count)
    for _ in 0..<counts.free {
      try require(slot.index < marks.count, "the free stack ends early")
      try require(marks[slot].state == .free, "on the free stack and not free")
      try require(!isSeen[slot.index], "twice on the free stack")
      isSeen[slot.index] = true
      slot = marks[slot].below
    }
  }

  // MARK: Parking: a handle becomes an id, and an id a handle

  /// The handle of a filling block whose parts have all succeeded.
  @inline(__always)
  func claimComplete(_ block: BlockID) throws(PoolError) -> Block<Complete> {
    guard holds(block, .filling) else { throw .stale(block) }
    guard marks[block.slot].missingParts == 0 else {
      throw .incomplete(missingParts: marks[block.slot].missingParts)
    }
    return Block(slot: block.slot, in: self)
  }

  /// The handle of a filling block, whatever its parts.
  @inline(__always)
  func claimFilling(_ block: BlockID) throws(PoolError) -> Block<Filling> {
    guard holds(block, .filling) else { throw .stale(block) }
    return Block(slot: block.slot, in: self)
  }
}
