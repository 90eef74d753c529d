/// Who goes next.
extension Forecast {
  /// Where victims are being taken from.
  struct VictimRun: BitwiseCopyable {
    var reuse = ReuseClass(index: 0)
    /// What has not been used for so many ticks is as good a victim as the first one was.
    var ageMin: UInt32 = .max
    /// The least that a candidate of another class is worth.
    var limit: Float = 0
    /// How many more are taken without looking around.
    var length = 0
  }

  /// The blocks at the cold end of the class that victims are being taken from, as far as they
  /// have been brought near: known by their links alone, so a few may be others by now.
  struct LookAhead: BitwiseCopyable {
    /// A ring of the slots that are or were next.
    var slots = InlineArray<32, Slot>(repeating: Slot(0))
    /// How many blocks were put into the ring, and how many were taken from the cold end since.
    var putCount = 0
    var takenCount = 0

    static let size = 32
    static let mask = size - 1

    @inline(__always)
    mutating func put(_ slot: Slot) {
      slots[putCount & Self.mask] = slot
      putCount &+= 1
    }
  }

  private static let refreshCount = 8

  /// Takes the coldest leaf of the class where that is worth least, or the block that was that
  /// before and passed over for its children, when the last one of them has just gone.
  ///
  /// - Complexity: O(1) amortised: classes are few, and a block is parked once between two uses.
  public mutating func takeVictim() -> Slot? {
    if let slot = takeFreed() {
      isCascading = true
      lookFurther()
      remember(slot)
      return slot
    }
    isCascading = false
    while let slot = coldest() {
      leave(slot)
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

  /// A block that goes soon if those before it do, or else one near the cold end of the class that
  /// victims are being taken from.
  public mutating func likelyVictim() -> Slot? {
    if freed != .none { return next }
    return ahead.slots[ahead.takenCount & LookAhead.mask]
  }

  /// Begins to bring near what is soon at the cold end of the class that victims are taken from;
  /// called for each block that is taken from there, before that.
  @inline(__always)
  private mutating func lookAhead(from coldest: Slot) {
    if ahead.takenCount == ahead.putCount { ahead.put(coldest) }
    lookFurther()
    lookFurther()
    ahead.takenCount &+= 1
    // Its node has come by now: what the leaving of a leaf needs is the next to come.
    if ahead.putCount &- ahead.takenCount > 4 {
      let soon = ahead.slots[(ahead.takenCount &+ 3) & LookAhead.mask]
      if nodes[soon].childCount == 0 { prefetchLeaving(soon) }
    }
  }

  /// Begins to bring one block more near.
  @inline(__always)
  private mutating func lookFurther() {
    guard ahead.putCount &- ahead.takenCount < LookAhead.size,
      let next = order.warmer(than: ahead.slots[(ahead.putCount &- 1) & LookAhead.mask])
    else { return }
    ahead.put(next)
    prefetch(next)
  }

  /// What `removed` and `remember` look at beside a block's own node.
  @inline(__always)
  func prefetchLeaving(_ slot: Slot) {
    if nodes[slot].past.isTelling { ghosts.prefetch(nodes[slot].tag) }
    let parent = nodes[slot].parent
    if parent.stamp != 0 { nodes.prefetch(parent.slot.index) }
  }

  /// Begins to bring near what goes after the freed block if that goes next: where one has gone
  /// after the other already, two blocks further up.
  @inline(__always)
  mutating func foresee() {
    prefetchLeaving(freed)
    next = freed
    let above = nodes[freed].parent
    guard above.stamp != 0 else { return }
    next = above.slot
    if isCascading, nodes[next].parent.stamp != 0 { next = nodes[next].parent.slot }
    prefetch(next)
  }

  /// Puts the freed block back to the cold end of its class, if it is still one: another one is to
  /// go before it.
  mutating func unpark() {
    guard let slot = takeFreed() else { return }
    let reuse = nodes[slot].reuse
    order.insert(slot, coldIn: reuse.index)
    ranking.counts[reuse.index] += 1
    rank(reuse)
  }

  /// Takes the block that was freed last out of the parked ones; nil when it is none any more.
  @inline(__always)
  private mutating func takeFreed() -> Slot? {
    let slot = freed
    guard slot != .none else { return nil }
    freed = .none
    guard nodes[slot].isParked, nodes[slot].childCount == 0 else { return nil }
    order.unlink(slot)
    nodes[slot].flags &= ~Node.parked
    return slot
  }

  /// The next block to look at, which is at the cold end of its list; nil when all are empty.
  ///
  /// Some are taken from one class in a run: as long as they are nearly as old as the first one, or
  /// worth no more than the others.
  @inline(__always)
  private mutating func coldest() -> Slot? {
    if run.length > 0, let slot = order.coldest(of: run.reuse.index) {
      let age = now &- nodes[slot].past.lastUse
      if age >= run.ageMin || worth(of: run.reuse, atAge: age) <= run.limit {
        run.length &-= 1
        lookAhead(from: slot)
        return slot
      }
    }
    return beginRun()
  }

  private mutating func beginRun() -> Slot? {
    guard let reuse = cheapest(), let slot = order.coldest(of: reuse.index) else { return nil }
    let age = now &- nodes[slot].past.lastUse
    let isNew = reuse != run.reuse
    run = VictimRun(
      reuse: reuse, ageMin: reuse == .resting ? age : age - age / 4,
      limit: ranking.leastWorth(but: reuse), length: runLength)
    if isNew || nodes[ahead.slots[(ahead.putCount &- 1) & LookAhead.mask]].reuse != reuse {
      ahead = LookAhead()
    }
    lookAhead(from: slot)
    return slot
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
  mutating func rank(_ reuse: ReuseClass) {
    guard let slot = order.coldest(of: reuse.index) else { return ranking.remove(reuse) }
    let worth = worth(of: reuse, atAge: now &- nodes[slot].past.lastUse)
    ranking.add(reuse, worth: worth)
    if reuse != run.reuse { run.limit = min(run.limit, worth) }
  }

  /// What a block of the class is worth by the rule that is followed.
  @inline(__always)
  func worth(of reuse: ReuseClass, atAge age: UInt32) -> Float {
    if reuse == .resting { return age < Self.restMax ? .greatestFiniteMagnitude : 0 }
    return switch duel.rule {
    case .forecast: table.worth(of: reuse, atAge: age)
    case .lru: 1 / (1 + Float(age))
    case .lfu: Float(reuse.useLevel) + 1 / (2 + Float(age))
    }
  }

  /// Keeps what is known of a block that leaves, where that can tell anything about a request.
  private mutating func remember(_ slot: Slot) {
    let past = nodes[slot].past
    guard past.isTelling else { return }
    ghosts.insert(nodes[slot].tag, past, at: now)
  }
}
