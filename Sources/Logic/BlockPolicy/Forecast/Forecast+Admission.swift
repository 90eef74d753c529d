import BlockIdentity

extension Forecast {
  /// How much more than what it replaces a whole request must be worth: taking it in costs a copy,
  /// and what is there has shown what it is.
  private static let reluctance: Float = 1.25

  /// How many blocks of a request's new end deserve a place more than what they would replace.
  ///
  /// Either none, all, or all but the last one, which is often cut off within a block and never
  /// needed again. What is turned away is remembered like what has left, so that its next use
  /// teaches as much.
  ///
  /// - Complexity: O(`keys.count`).
  public mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int {
    guard keys.count > 0, duel.rule == .forecast else { return keys.count }
    var node = Node()
    place(&node, before: nil, after: Name(parent ?? .none))
    for position in keys.indices {
      if position > 0 { node.newCount = min(254, node.newCount) + 1 }
      guard let before = ghosts.find(Self.tag(keys[position])) else { continue }
      node.newCount = 0
      node.past.uses = before.uses
      node.past.lastUse = before.lastUse
      continueTurn(of: before, gap: gap(of: before), &node.past)
    }
    // A request that may go on is not cut short, so what ends one is stored as well, and makes the
    // next victim cheap: the whole request must be held against all that it would replace.
    guard let price = price(of: isWhole ? 1 : keys.count) else { return keys.count }
    let isSingle = keys.count == 1 && parent == nil
    let own =
      isSingle
      ? ReuseClass.single(uses: Int(min(254, node.past.uses) + 1), gap: gap(of: node.past))
      : .turn(Int(node.past.turn), newCount: Int(node.newCount), gap: Int(node.past.gap))
    let end = isSingle ? own : ReuseClass.end(Int(node.past.turn))
    if keys.count > 1, table.worth(of: own, atAge: 0) < price * Self.reluctance {
      turnAway(keys, from: 0, after: parent, node, own, end)
      if isWhole {
        expectRelease(
          turnedAway: keys.count, isAnyStored: false, after: parent, node)
      }
      return 0
    }
    if isWhole, table.worth(of: end, atAge: 0) < price {
      turnAway(keys, from: keys.count - 1, after: parent, node, own, end)
      expectRelease(turnedAway: 1, isAnyStored: keys.count > 1, after: parent, node)
      return keys.count - 1
    }
    return keys.count
  }

  /// What the next so many victims are worth on average; nil when nothing is cached.
  private mutating func price(of count: Int) -> Float? {
    cheapest() == nil ? nil : ranking.averageWorth(of: count)
  }

  /// Remembers the last two blocks of a request that are not stored.
  private mutating func turnAway(
    _ keys: Span<BlockKey>, from first: Int, after parent: BlockID?, _ node: Node,
    _ own: ReuseClass, _ end: ReuseClass
  ) {
    for position in (first..<keys.count).reversed() {
      noteUse(Self.tag(keys[position]), isHit: false)
      let tag = Self.tag(keys[position])
      var past = node.past
      let before = ghosts.take(tag)
      if let before { log.noteUse(before.logNumber, at: now, in: &table) }
      let distance = keys.count - 1 - position
      guard distance <= 1 else { continue }
      past.uses = min(254, before?.uses ?? 0) + 1
      past.place = UInt8(distance)
      past.lastUse = now
      past.logNumber = log.await(
        distance == 0 ? end : own, tag: tag, at: now, span: followedSpan)
      ghosts.insert(tag, past, at: now)
    }
    pace.turnedAway(keys.count - first)
    if pace.isUpdateDue { update() }
    if !hasClock { now &+= UInt32(truncatingIfNeeded: keys.count - first) }
  }

  /// The request's blocks that are here are released next.
  private mutating func expectRelease(
    turnedAway count: Int, isAnyStored: Bool, after parent: BlockID?, _ node: Node
  ) {
    // Where nothing of the request is in the pool, no release will follow.
    guard isAnyStored || parent != nil else { return }
    request.turnedAway = UInt8(min(2, count))
    request.isTurnKnown = true
    request.turn = node.past.turn
    request.gap = node.past.gap
    request.newCount = node.newCount
  }
}
