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
/// list where that is worth least. A block with children in the pool is passed over, and comes back
/// as soon as it has none: a prefix without its beginning is worthless. As in `LeafFirst` that is a
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
  private var run = VictimRun()
  private let runLength: Int
  /// By class: a slot near its cold end; see `lookAhead`.
  private let lookaheads: Column<Slot>
  /// The block that has become a leaf since `likelyVictim`.
  private var freed = Slot.none
  /// The request whose blocks are being released.
  var request = ReleasedRequest()

  /// Where victims are being taken from.
  private struct VictimRun: BitwiseCopyable {
    var reuse = ReuseClass(index: 0)
    /// When the last victim was used.
    var lastUse: UInt32 = 0
    /// The least that a candidate of another class is worth.
    var limit: Float = 0
    /// How many more are taken without looking around.
    var length = 0
  }

  static var parkedList: Int { ReuseClass.count }
  private static let ghostsMin = 1 << 14
  /// Ticks that a block rests for at most: nine minutes, or so many blocks.
  private static let restMax: UInt32 = 1 << 16
  /// Of adopted blocks, those whose tag has these bits 0 are followed: a scan finds many at once.
  private static let adoptedMask: UInt32 = 0x3f
  private static let refreshCount = 8
  private static let runMax = 16
  /// Slots for each victim that may be taken without looking around: few where that is much.
  private static let slotsPerRun = 256

  /// A policy for slots `0..<capacity`.
  public init(capacity: Int) {
    nodes = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: ReuseClass.count + 1)
    lookaheads = Column(zeroed: ReuseClass.count)
    runLength = min(Self.runMax, max(2, capacity / Self.slotsPerRun))
    ghosts = GhostTable(capacity: max(capacity / 8, Self.ghostsMin))
    duel = Duel(capacity: capacity)
    pace = Pace(capacity: capacity)
  }

  deinit {
    nodes.deallocate()
    lookaheads.deallocate()
  }

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
    var node = Node(stamp: Name(block).stamp)
    // Children that came before their parent have counted themselves already.
    if isCurrent(Name(block)) { node.childCount = nodes[block.slot].childCount }
    node.tag = Self.tag(key)
    let before = ghosts.take(node.tag)
    if let before { log.noteUse(before.logNumber, at: now, in: &table) }
    place(&node, before: before, after: parent)
    nodes[block.slot] = node
    if let parent { linked(block, after: parent) }
  }

  /// Counts the block at its parent; nothing if it has one.
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    guard parent.slot != block.slot, !isCurrent(nodes[block.slot].parent) else { return }
    let name = Name(parent)
    nodes[block.slot].parent = name
    if !isCurrent(name) { nodes[parent.slot] = Node(stamp: name.stamp) }
    nodes[parent.slot].childCount += 1
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
  private mutating func leave(_ slot: Slot) {
    order.unlink(slot)
    if !nodes[slot].isParked { ranking.counts[nodes[slot].reuse.index] -= 1 }
  }

  /// Moves the slot to the cold end of its list.
  public mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: nodes[slot].isParked ? Self.parkedList : nodes[slot].reuse.index)
    if !nodes[slot].isParked { rank(nodes[slot].reuse) }
  }

  /// Forgets the block; a parked parent that loses its last child is a candidate again.
  public mutating func removed(_ slot: Slot) {
    pace.leftPool()
    let parent = nodes[slot].parent
    nodes[slot] = Node()
    guard isCurrent(parent), nodes[parent.slot].childCount > 0 else { return }
    nodes[parent.slot].childCount -= 1
    guard nodes[parent.slot].childCount == 0, nodes[parent.slot].isParked else { return }
    nodes[parent.slot].flags &= ~Node.parked
    freed = parent.slot
    order.unlink(parent.slot)
    // It was at the cold end when it was parked, and has not been used since.
    order.insert(parent.slot, coldIn: nodes[parent.slot].reuse.index)
    ranking.counts[nodes[parent.slot].reuse.index] += 1
    rank(nodes[parent.slot].reuse)
  }

  /// Takes the coldest leaf of the class where that is worth least.
  ///
  /// - Complexity: O(1) amortised: classes are few, and a block is parked once between two uses.
  public mutating func takeVictim() -> Slot? {
    while let reuse = nextClass() {
      guard let slot = order.coldest(of: reuse.index) else { continue }
      leave(slot)
      lookAhead(in: reuse)
      if nodes[slot].childCount == 0 {
        remember(slot)
        return slot
      }
      nodes[slot].flags |= Node.parked
      order.insert(slot, warmIn: Self.parkedList)
    }
    guard let slot = order.coldest(of: Self.parkedList) else { return nil }
    order.unlink(slot)
    remember(slot)
    return slot
  }

  /// A block that has just become a leaf, or else one near the cold end of the class that victims
  /// are being taken from.
  public mutating func likelyVictim() -> Slot? {
    if freed != .none {
      defer { freed = .none }
      return freed
    }
    let slot = lookaheads[run.reuse.index]
    return order.isListed(slot) ? slot : nil
  }

  /// Begins to bring near what is soon at the cold end of a class; called with each block that is
  /// taken from there, goes a step further each time.
  private mutating func lookAhead(in reuse: ReuseClass) {
    let last = lookaheads[reuse.index]
    let next: Slot
    if order.isListed(last), nodes[last].reuse == reuse {
      // Its node has come by now: what its leaving needs is the next to come.
      let node = nodes[last]
      ghosts.prefetch(node.tag)
      if node.parent.stamp != 0 { prefetch(node.parent.slot) }
      next = order.warmer(than: last) ?? last
    } else {
      guard let coldest = order.coldest(of: reuse.index) else { return }
      prefetch(coldest)
      next = order.warmer(than: coldest) ?? coldest
    }
    lookaheads[reuse.index] = next
    prefetch(next)
  }

  /// The slot's node, and its place in its list.
  public mutating func prefetch(_ slot: Slot) {
    nodes.prefetch(slot.index)
    order.prefetch(slot)
  }

  /// Where a block of that key would be remembered.
  public mutating func prefetch(_ key: BlockKey) { ghosts.prefetch(Self.tag(key)) }

  /// The class to take from; nil when all lists are empty.
  ///
  /// Some are taken from one class in a run, as long as it is worth no more than the others were.
  private mutating func nextClass() -> ReuseClass? {
    if run.length > 0, let slot = order.coldest(of: run.reuse.index) {
      let lastUse = nodes[slot].past.lastUse
      // What one request used last goes without a comparison for each block.
      if lastUse == run.lastUse || worth(of: run.reuse, atAge: now &- lastUse) <= run.limit {
        run.lastUse = lastUse
        run.length -= 1
        return run.reuse
      }
    }
    guard let reuse = cheapest(), let slot = order.coldest(of: reuse.index) else { return nil }
    run = VictimRun(
      reuse: reuse, lastUse: nodes[slot].past.lastUse, limit: ranking.leastWorth(but: reuse),
      length: runLength)
    return reuse
  }

  /// The class whose cold end is worth least; nil when all lists are empty.
  mutating func cheapest() -> ReuseClass? {
    // Worths change as blocks age, so a few classes are looked at anew each time.
    for _ in 0..<Self.refreshCount {
      guard let reuse = ranking.next() else { return nil }
      rank(reuse)
    }
    while let (reuse, worth) = ranking.cheapest {
      rank(reuse)
      if ranking.worth(of: reuse) <= worth { return reuse }
    }
    return nil
  }

  /// Ranks a class by the block at its cold end.
  private mutating func rank(_ reuse: ReuseClass) {
    guard let slot = order.coldest(of: reuse.index) else { return ranking.remove(reuse) }
    let worth = worth(of: reuse, atAge: now &- nodes[slot].past.lastUse)
    ranking.add(reuse, worth: worth)
    if reuse != run.reuse { run.limit = min(run.limit, worth) }
  }

  /// What a block of the class is worth by the rule that is followed.
  @inline(__always)
  private func worth(of reuse: ReuseClass, atAge age: UInt32) -> Float {
    if reuse == .resting { return age < Self.restMax ? .greatestFiniteMagnitude : 0 }
    return switch duel.rule {
    case .forecast: table.worth(of: reuse, atAge: age)
    case .lru: 1 / (1 + Float(age))
    case .lfu: Float(reuse.useLevel) + 1 / (2 + Float(age))
    }
  }

  /// A block was used; `isHit` says whether it was there.
  mutating func noteUse(_ tag: UInt32, isHit: Bool) {
    let rule = duel.rule
    duel.note(tag, isHit: isHit)
    if duel.rule != rule {
      rankAll()
    }
  }

  /// Keeps what is known of a block that leaves, where that can tell anything about a request.
  private mutating func remember(_ slot: Slot) {
    let past = nodes[slot].past
    guard past.distance <= 1 || past.isFork else { return }
    ghosts.insert(nodes[slot].tag, past, at: now)
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
