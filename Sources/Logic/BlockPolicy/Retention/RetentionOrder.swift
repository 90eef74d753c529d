/// The blocks of a pool that are worth more or less than others, in the order in which they go.
///
/// Each level has an order of its own: least recently used first, and a block after what goes on
/// behind it. The pool's policy takes these blocks for pinned, so it needs to know nothing of them.
/// A block whose time is over becomes normal, as if it had just been used.
///
/// At most `limit` blocks are above normal. When there are as many, whoever is least recently used
/// among them becomes normal for a newcomer; so the requests of some do not squeeze those of others
/// out, and what is not used any more does not stay for ever.
///
/// Its columns, some 97 bytes a slot, are made for the first block of another level: most pools
/// never have one.
@usableFromInline
package struct RetentionOrder: ~Copyable {
  /// Blocks of other levels than normal. While there are none, nothing else is looked at.
  @usableFromInline var count = 0
  /// Those above normal, and how many there may be.
  @usableFromInline var aboveCount = 0
  @usableFromInline var limit = 0
  /// By slot: 1 + the priority of a block that is not normal, else 0.
  @usableFromInline var marks: Column<UInt8>
  /// By slot, where marked.
  @usableFromInline var untils: Column<UInt64>
  @usableFromInline var wheel: DeadlineWheel
  @usableFromInline var low: LeafFirst
  @usableFromInline var high: LeafFirst
  @usableFromInline var highest: LeafFirst

  /// How many slots there are.
  private let capacity: Int
  /// Whether there are columns for all slots.
  private(set) var isOpen = false

  /// An order of no blocks.
  init(capacity: Int, tickNanoseconds: UInt64) {
    self.capacity = capacity
    marks = Column(zeroed: 0)
    untils = Column(zeroed: 0)
    wheel = DeadlineWheel(capacity: 0, tickNanoseconds: tickNanoseconds)
    low = LeafFirst(capacity: 0)
    high = LeafFirst(capacity: 0)
    highest = LeafFirst(capacity: 0)
  }

  /// Makes the columns, which touches none of their memory.
  private mutating func open() {
    isOpen = true
    marks.deallocate()
    untils.deallocate()
    marks = Column(zeroed: capacity)
    untils = Column(zeroed: capacity)
    wheel = DeadlineWheel(capacity: capacity, tickNanoseconds: wheel.tickNanoseconds)
    low = LeafFirst(capacity: capacity)
    high = LeafFirst(capacity: capacity)
    highest = LeafFirst(capacity: capacity)
  }

  deinit {
    marks.deallocate()
    untils.deallocate()
  }

  /// Whether the slot's block is of another level than normal.
  @inlinable @inline(__always)
  func contains(_ slot: Slot) -> Bool { count > 0 && marks[slot] != 0 }

  /// What is said of the slot's block.
  func retention(of slot: Slot) -> Retention {
    contains(slot) ? Retention(priority: marks[slot] - 1, until: untils[slot]) : .normal
  }

  // MARK: Levels

  /// The block gets a level, and is in nobody's order: the pool's policy takes it for pinned.
  mutating func enter(_ block: BlockID, _ retention: Retention, after parent: BlockID?) {
    if !isOpen { open() }
    let slot = block.slot
    count += 1
    if retention.level > .normal { aboveCount += 1 }
    note(retention, slot)
    change(retention.level) { $0.inserted(block, after: parent) }
  }

  /// The block's time or priority changes within its level.
  mutating func note(_ retention: Retention, _ slot: Slot) {
    marks[slot] = retention.priority + 1
    untils[slot] = retention.until
    wheel.set(slot, until: retention.until)
  }

  /// The block, which is in nobody's order, is normal again, or leaves the pool.
  @usableFromInline
  mutating func leave(_ slot: Slot) {
    let level = retention(of: slot).level
    count -= 1
    if level > .normal { aboveCount -= 1 }
    marks[slot] = 0
    wheel.clear(slot)
    change(level) { $0.withdrew(slot) }
  }

  /// Takes the block, which is cached, out of its level's order.
  @usableFromInline
  mutating func pinned(_ slot: Slot) { change(retention(of: slot).level) { $0.pinned(slot) } }

  /// Puts the block into its level's order, as the last to go.
  @usableFromInline
  mutating func released(_ slot: Slot) { change(retention(of: slot).level) { $0.released(slot) } }

  /// Makes the block, which is cached, the last to go of its level.
  @usableFromInline
  mutating func touched(_ slot: Slot) {
    pinned(slot)
    released(slot)
  }

  /// Makes the block, which is cached, the first to go of its level.
  mutating func cooled(_ slot: Slot) { change(retention(of: slot).level) { $0.cooled(slot) } }

  /// The block's parent has become known.
  @usableFromInline
  mutating func linked(_ block: BlockID, after parent: BlockID) {
    change(retention(of: block.slot).level) { $0.linked(block, after: parent) }
  }

  private mutating func change(_ level: RetentionLevel, _ body: (inout LeafFirst) -> Void) {
    switch level {
    case .low: body(&low)
    case .normal: break
    case .high: body(&high)
    case .highest: body(&highest)
    }
  }

  // MARK: Who goes

  /// Takes the next block below normal out of its order; nil when none is cached.
  @usableFromInline
  mutating func takeLow() -> Slot? { low.takeVictim() }

  /// Takes the next block above normal out of its order; nil when none is cached.
  @usableFromInline
  mutating func takeHigh() -> Slot? { high.takeVictim() ?? highest.takeVictim() }

  /// The next block above normal to go; nil when none is cached.
  var coldestHigh: Slot? { high.coldest ?? highest.coldest }

  /// Whether the block is in its level's order: cached.
  func isListed(_ slot: Slot) -> Bool {
    switch retention(of: slot).level {
    case .low: low.isListed(slot)
    case .normal: false
    case .high: high.isListed(slot)
    case .highest: highest.isListed(slot)
    }
  }

  /// Who becomes normal so that a block of that level can be above it; nil when nobody does. A
  /// block whose descendants are above normal stays.
  func displaced(by level: RetentionLevel) -> Slot? {
    if let slot = high.coldestLeaf { return slot }
    return level == .highest ? highest.coldestLeaf : nil
  }

  /// Time has passed: whose time is over can be taken.
  mutating func advance(to nanoseconds: UInt64) { wheel.advance(to: nanoseconds) }

  /// A block whose time is over; it has its level until `leave`. Nil when there is none.
  var nextDue: Slot? { wheel.nextDue }

  // MARK: Checks

  /// Throws when the order contradicts itself, or has another block than a cached one with a mark.
  ///
  /// - Returns: How many cached blocks are in its levels.
  func checkInvariants(isCached: (Slot) -> Bool) throws(BrokenInvariant) -> Int {
    var cachedCounts = [Int](repeating: 0, count: RetentionLevel.allCases.count)
    var (marked, above) = (0, 0)
    for position in 0..<marks.count where marks[position] != 0 {
      let slot = Slot(index: position)
      let level = retention(of: slot).level
      marked += 1
      if level > .normal { above += 1 }
      if isCached(slot) { cachedCounts[Int(level.rawValue)] += 1 }
      try require(level != .normal, "a normal block has a mark")
    }
    try require(marked == count && above == aboveCount, "retained blocks are not counted right")
    let cachedAbove = cachedCounts[2] + cachedCounts[3]
    try require(aboveCount <= limit || cachedAbove == 0, "\(aboveCount) of \(limit) above normal")
    try low.checkInvariants(cachedCount: cachedCounts[0]) { isCached($0) && has($0, .low) }
    try high.checkInvariants(cachedCount: cachedCounts[2]) { isCached($0) && has($0, .high) }
    try highest.checkInvariants(cachedCount: cachedCounts[3]) { isCached($0) && has($0, .highest) }
    try wheel.checkInvariants { contains($0) ? retention(of: $0).until : nil }
    return cachedCounts.reduce(0, +)
  }

  private func has(_ slot: Slot, _ level: RetentionLevel) -> Bool {
    contains(slot) && retention(of: slot).level == level
  }
}
