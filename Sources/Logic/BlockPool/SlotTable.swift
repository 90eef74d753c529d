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
    /// Users of a registered or condemned block; 0 in every other state.
    var pinCount: UInt32
    /// The parts of a filling block that have not succeeded, as a bit mask.
    var missingParts: UInt32
    var state: SlotState
    /// A scan found the block here, and nobody has used it since.
    var isUntouched: Bool
  }

  let marks: Column<Mark>
  private let freeStack: Column<Slot>
  private let tally: Column<SlotCounts>

  /// All slots are absent.
  init(capacity: Int) {
    marks = Column(zeroed: capacity)
    freeStack = Column(zeroed: capacity)
    tally = Column(zeroed: 1)
    tally[0] = SlotCounts(absent: capacity)
  }

  func deallocate() {
    marks.deallocate()
    freeStack.deallocate()
    tally.deallocate()
  }

  @inline(__always) var counts: SlotCounts {
    get { tally[0] }
    nonmutating _modify { yield &tally[0] }
  }

  @inline(__always)
  func id(of slot: Slot) -> BlockID { BlockID(slot: slot, generation: marks[slot].generation) }

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
    return Block(slot: freeStack[counts.free], in: self)
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
      generation: Self.following(marks[slot].generation), pinCount: 0, missingParts: 0,
      state: .free, isUntouched: false)
    freeStack[counts.free] = slot
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
      generation: Self.following(marks[slot].generation), pinCount: 0, missingParts: 0,
      state: .registered, isUntouched: true)
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
    var keptCount = 0
    for position in 0..<counts.free where !slots.contains(freeStack[position].rawValue) {
      freeStack[keptCount] = freeStack[position]
      keptCount += 1
    }
    assert(counts.free - keptCount == slots.count)
    counts.free = keptCount
    counts.absent += slots.count
    for slot in slots { marks[Slot(slot)].state = .absent }
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
