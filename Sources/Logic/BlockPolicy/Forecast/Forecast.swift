import BlockIdentity

/// Evicts what is expected to be used least for the time that it would be held, as learnt on line.
///
/// The unit is what one request used last: the end of a conversation, say, whose beginning others
/// have used since. A request that goes on behind it is its next turn. What turn it was, how much
/// was new in it, and how long after the one before it came tell when the next will come, if ever
/// (`ReuseClass`). How well they tell is learnt from what became of earlier blocks, also of those
/// that have left (`ReuseTable`, `ReuseLog`). Where sequences part, and for requests of one block,
/// the number of uses tells more.
///
/// Every class has a list in order of use, tails before heads. The victim is the cold end of the
/// list where that is worth least. A block with children in the pool is passed over, and goes as
/// soon as it has none: a prefix without its beginning is worthless. As in `LeafFirst` that is a
/// preference, and with all leaves pinned an inner block goes. `admit` turns away what is worth
/// less than what it would replace. Where LRU or LFU would do better, their rule is followed
/// (`Duel`).
///
/// Small methods that only read are inlined: else all fields would be copied for each call.
///
/// Nothing is random and nothing is configured: equal histories give equal victims. Without a clock
/// (`advance`), time is the number of blocks that came in. 40 bytes a slot, and some 2 MiB that do
/// not depend on the capacity.
public struct Forecast: EvictionPolicy, ~Copyable {
  /// By slot.
  let nodes: Column<Node>
  /// One list a class, and the parked blocks.
  var order: SlotLists
  var table = ReuseTable()
  var log = ReuseLog()
  var ghosts: GhostTable
  var ranking = ClassRanking()
  var duel: Duel

  /// The time, in ticks of 2²³ nanoseconds or of one block that came in.
  var now: UInt32 = 1
  private(set) var hasClock = false
  var pace: Pace
  var run = VictimRun()
  let runLength: Int
  /// What has been brought near for the victims after this one.
  var ahead = LookAhead()
  /// A parked block that has lost its last child and is to go next, unless it gets another.
  var freed = Slot.none
  /// The block that goes soon if that one does.
  var next = Slot.none
  /// Whether the last victim was one that had been freed.
  var isCascading = false
  /// The request whose blocks are being released.
  var request = ReleasedRequest()

  static var parkedList: Int { ReuseClass.count }
  private static let ghostsMin = 1 << 14
  /// Ticks that a block rests for at most: nine minutes, or so many blocks.
  static let restMax: UInt32 = 1 << 16
  /// Of adopted blocks, those whose tag has these bits 0 are followed: a scan finds many at once.
  private static let adoptedMask: UInt32 = 0x3f
  private static let runMax = 16
  /// Slots for each victim that may be taken without looking around: few where that is much.
  private static let slotsPerRun = 256

  /// A policy for slots `0..<capacity`.
  public init(capacity: Int) {
    nodes = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: ReuseClass.count + 1)
    runLength = min(Self.runMax, max(2, capacity / Self.slotsPerRun))
    ghosts = GhostTable(capacity: max(capacity / 8, Self.ghostsMin))
    duel = Duel(capacity: capacity)
    pace = Pace(capacity: capacity)
  }

  deinit { nodes.deallocate() }

  /// Sets the time; ages are counted from it.
  public mutating func advance(to nanoseconds: UInt64) {
    hasClock = true
    now = max(1, UInt32(truncatingIfNeeded: nanoseconds >> 23))
  }

  /// As with a key that was never seen.
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    inserted(block, key: BlockKey(high: 1, low: 0), after: parent)
  }

  /// Makes the block's node, counts it at its parent, and finds out what request it belongs to.
  public mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    if !hasClock { now &+= 1 }
    pace.cameIn()
    let name = Name(block)
    var node = Node(stamp: name.stamp)
    // Children that came before their parent have counted themselves already.
    if isCurrent(name) { node.childCount = nodes[block.slot].childCount }
    node.tag = Self.tag(key)
    let above = Name(parent ?? .none)
    let before = ghosts.take(node.tag)
    if let before { log.noteUse(before.logNumber, at: now, in: &table) }
    place(&node, before: before, after: above)
    if above.stamp != 0, above.slot != block.slot {
      node.parent = above
      count(childOf: above)
    }
    nodes[block.slot] = node
  }

  /// The block that others call their parent has another child; it may have no node yet.
  @inline(__always)
  private mutating func count(childOf parent: Name) {
    if !isCurrent(parent) { nodes[parent.slot] = Node(stamp: parent.stamp) }
    nodes[parent.slot].childCount += 1
  }

  /// Counts the block at its parent; nothing if it has one.
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    guard parent.slot != block.slot, !isCurrent(nodes[block.slot].parent) else { return }
    let name = Name(parent)
    nodes[block.slot].parent = name
    count(childOf: name)
    guard nodes[block.slot].isAdopted, nodes[parent.slot].isAdopted else { return }
    // It was no request's last block, and where two go on behind it, they part there.
    nodes[parent.slot].past.distance = 2
    if nodes[parent.slot].childCount > 1 { nodes[parent.slot].past.isFork = true }
  }

  /// Makes the block's node; a few of them are followed, to learn what such blocks are worth.
  public mutating func adopted(_ block: BlockID, key: BlockKey) {
    pace.adopted()
    var node = Node(stamp: Name(block).stamp)
    if isCurrent(Name(block)) { node.childCount = nodes[block.slot].childCount }
    node.tag = Self.tag(key)
    node.flags = Node.used | Node.adopted
    node.past.uses = 1
    node.past.distance = 0
    node.past.lastUse = now
    node.reuse = .adopted
    if node.tag & Self.adoptedMask == 0 {
      node.past.logNumber = log.await(.adopted, tag: node.tag, at: now, span: followedSpan)
    }
    nodes[block.slot] = node
    enter(block.slot)
  }

  /// Takes the slot out of its list; its next use has come.
  public mutating func pinned(_ slot: Slot) {
    leave(slot)
    nodes[slot].flags &= ~Node.parked
    // What comes before a block tells at its release whether it is a request's first.
    let parent = nodes[slot].parent
    if parent.stamp != 0 { nodes.prefetch(parent.slot.index) }
    guard nodes[slot].isUsed else { return }
    log.noteUse(nodes[slot].past.logNumber, at: now, in: &table)
    nodes[slot].past.logNumber = 0
    if !nodes[slot].isInUse {
      nodes[slot].gap = gap(of: nodes[slot].past)
      nodes[slot].flags |= Node.mark
    }
    nodes[slot].past.lastUse = now
  }

  /// Finds the block's class from the request that used it, and puts it at that list's warm end.
  public mutating func released(_ slot: Slot) {
    nodes[slot].reuse = classify(slot)
    enter(slot)
  }

  /// Keeps the block until its request is over, or for longer than any request should take: while
  /// there is something else, that goes.
  public mutating func rested(_ slot: Slot) {
    nodes[slot].reuse = .resting
    enter(slot)
  }

  /// Begins a request that is over, from its last block.
  public mutating func beginUses(turnedAwayCount: Int) {
    request = ReleasedRequest()
    request.turnedAway = UInt8(min(2, turnedAwayCount))
    request.newCount = UInt8(min(254, turnedAwayCount))
  }

  /// As `released`; where others still hold the block, it takes its place when they let it go.
  public mutating func used(_ slot: Slot, isCached: Bool) {
    if isCached { pinned(slot) }
    nodes[slot].reuse = classify(slot)
    if isCached { enter(slot) }
  }

  @inline(__always)
  private mutating func enter(_ slot: Slot) {
    let reuse = nodes[slot].reuse
    order.insert(slot, warmIn: reuse.index)
    ranking.counts[reuse.index] += 1
    if !ranking.isRanked(reuse) {
      ranking.add(reuse, worth: worth(of: reuse, atAge: 0))
    }
    if pace.isUpdateDue { update() }
  }

  /// Takes the slot out of its list.
  @inline(__always)
  mutating func leave(_ slot: Slot) {
    order.unlink(slot)
    if !nodes[slot].isParked { ranking.counts[nodes[slot].reuse.index] -= 1 }
  }

  /// Moves the slot to the cold end of its list.
  public mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: nodes[slot].isParked ? Self.parkedList : nodes[slot].reuse.index)
    if !nodes[slot].isParked { rank(nodes[slot].reuse) }
  }

  /// Forgets the block; a parked parent that loses its last child goes next.
  public mutating func removed(_ slot: Slot) {
    pace.leftPool()
    let parent = nodes[slot].parent
    nodes[slot] = Node()
    guard isCurrent(parent), nodes[parent.slot].childCount > 0 else { return }
    nodes[parent.slot].childCount -= 1
    guard nodes[parent.slot].childCount == 0, nodes[parent.slot].isParked else { return }
    if freed != parent.slot { unpark() }
    freed = parent.slot
    foresee()
  }

  /// The slot's node, and its place in its list.
  public mutating func prefetch(_ slot: Slot) {
    nodes.prefetch(slot.index)
    order.prefetch(slot)
  }

  /// Where a block of that key would be remembered.
  public mutating func prefetch(_ key: BlockKey) { ghosts.prefetch(Self.tag(key)) }

  /// A block was used; `isHit` says whether it was there.
  @inline(__always)
  mutating func noteUse(_ tag: UInt32, isHit: Bool) {
    if duel.isSampled(tag) { judge(tag, isHit: isHit) }
  }

  private mutating func judge(_ tag: UInt32, isHit: Bool) {
    let rule = duel.rule
    duel.note(tag, isHit: isHit)
    if duel.rule != rule { rankAll() }
  }

  mutating func update() {
    log.sweep(at: now, in: &table)
    table.update(holdMin: max(1, pace.turnover(at: now) / 3))
    rankAll()
  }

  /// Ranks every class that has a rank, anew.
  private mutating func rankAll() {
    // Those without a candidate lose their places on the way.
    let count = ranking.noteAll()
    for place in 0..<count { rank(ranking.noted(at: place)) }
  }

  /// The part of a key that blocks are remembered by; never 0.
  @inline(__always)
  static func tag(_ key: BlockKey) -> UInt32 { max(1, UInt32(truncatingIfNeeded: key.low >> 32)) }

  /// The level of the time since a block was used; 0 when it never was.
  @inline(__always)
  func gap(of past: BlockPast) -> Int {
    past.uses == 0 ? 0 : ReuseClass.gapLevel(now &- past.lastUse, scale: pace.scale)
  }

  /// How long a block of interest should be followed for, in ticks.
  @inline(__always)
  var followedSpan: UInt32 { UInt32(min(4 * pace.turnover, 1e9)) }

  /// Whether the node of the block's slot is that block's.
  @inline(__always)
  func isCurrent(_ name: Name) -> Bool {
    name.stamp != 0 && nodes[name.slot].stamp == name.stamp
  }
}
