/// The request whose blocks are being released, from the last to the first.
struct ReleasedRequest: BitwiseCopyable {
  /// The block that was released last.
  var last = Slot.none
  /// How many blocks of it were released before this one; 2 and more are 2.
  var distance: UInt8 = 0
  /// Whether a block behind this one is a fork.
  var isTrunk = false
  /// Which turn of its conversation it is.
  var turn: UInt8 = 0
  /// The level of the time since the turn before.
  var gap: UInt8 = 0
  /// How many of its blocks were new.
  var newCount: UInt8 = 0
  /// How many blocks behind the one released first were not stored; 2 and more are 2. `newCount`
  /// is known then.
  var turnedAway: UInt8 = 0
  /// Whether turn and gap are known before a block is released.
  var isTurnKnown = false
  /// The block that became a fork since blocks were released last.
  var newFork = Slot.none
}

extension Forecast {
  /// Notes of a block that comes in which request it belongs to, from the block before it.
  ///
  /// What a request continues is told by the last block that it shares with an earlier one, whether
  /// that is in the pool or remembered.
  mutating func place(_ node: inout Node, before: BlockPast?, after parent: Name) {
    if let before {
      node.past = before
      node.past.logNumber = 0
      node.flags |= Node.mark
      node.gap = gap(of: before)
      continueTurn(of: before, gap: node.gap, &node.past)
      node.past.lastUse = now
      if before.isContinued, request.newFork != .none {
        // No parting of ways: what lay between had left.
        nodes[request.newFork].past.isFork = false
        request.newFork = .none
      }
      return
    }
    node.newCount = 1
    node.past.lastUse = now
    guard parent.stamp != 0 else {
      node.flags |= Node.mark
      return
    }
    // Where the block before it has not come yet, what it brings is found out later.
    guard isCurrent(parent), nodes[parent.slot].tag != 0 else { return }
    let above = nodes[parent.slot]
    guard above.isUsed else {
      node.past.turn = above.past.turn
      node.past.gap = above.past.gap
      node.newCount = min(254, above.newCount) + 1
      return
    }
    node.flags |= Node.mark
    if above.past.isContinued {
      continueTurn(of: above.past, gap: nextGap(of: above), &node.past)
    } else if !above.past.isFork {
      nodes[parent.slot].past.isFork = true
      request.newFork = parent.slot
    }
  }

  /// The level of the time before the block's next use, which is now or has begun.
  @inline(__always)
  private func nextGap(of node: Node) -> Int { node.isInUse ? node.gap : gap(of: node.past) }

  /// The turn and gap of a request that goes on behind a block, after so long.
  @inline(__always)
  func continueTurn(of before: BlockPast, gap: Int, _ past: inout BlockPast) {
    guard before.isContinued else {
      past.turn = 0
      past.gap = 0
      return
    }
    past.turn = min(254, before.turn) + 1
    past.gap = UInt8(truncatingIfNeeded: gap)
  }

  /// Notes the use that ends with a block's release, and says what class that makes it.
  ///
  /// A request's blocks are released from the last to the first, so whose turn the first ones were
  /// is known from the last.
  mutating func classify(_ slot: Slot) -> ReuseClass {
    var node = nodes[slot]
    let isSameRequest =
      request.last != .none && nodes[request.last].parent.slot == slot
      && isCurrent(nodes[request.last].parent)
    if isSameRequest {
      request.distance = min(2, request.distance + 1)
    } else {
      begin(with: node)
    }
    request.last = slot
    request.newFork = .none
    log.noteUse(node.past.logNumber, at: now, in: &table)
    noteUse(node.tag, isHit: node.isUsed)
    node.past.uses = min(254, node.past.uses) + 1
    request.isTrunk = request.isTrunk || node.past.isFork
    let isRoot = !isCurrent(node.parent)
    var gap: Int { node.isUsed ? nextGap(of: node) : node.gap }
    let reuse: ReuseClass
    let isTelling: Bool
    if request.isTrunk, request.distance > 0 {
      reuse = .trunk(uses: Int(node.past.uses), gap: gap)
      isTelling = node.past.isFork
    } else if request.distance == 0, isRoot {
      reuse = .single(uses: Int(node.past.uses), gap: gap)
      isTelling = true
    } else if request.distance == 0 {
      reuse = .end(Int(request.turn))
      isTelling = true
    } else {
      reuse = .turn(Int(request.turn), newCount: Int(request.newCount), gap: Int(request.gap))
      isTelling = request.distance == 1
    }
    node.past.distance = request.distance
    node.past.turn = request.turn
    node.past.gap = request.gap
    node.past.lastUse = now
    node.past.logNumber =
      isTelling ? log.await(reuse, tag: node.tag, at: now, span: followedSpan) : 0
    node.flags = (node.flags | Node.used) & ~(Node.adopted | Node.mark)
    nodes[slot] = node
    return reuse
  }

  /// Begins a request with its last block.
  private mutating func begin(with node: Node) {
    request.distance = request.turnedAway
    request.isTrunk = false
    let turnedAwayCount = request.turnedAway > 0 ? request.newCount : 0
    let isTurnKnown = request.isTurnKnown
    request.turnedAway = 0
    request.isTurnKnown = false
    guard !isTurnKnown else { return }
    if node.isUsed {
      var past = node.past
      continueTurn(of: node.past, gap: nextGap(of: node), &past)
      request.turn = past.turn
      request.gap = past.gap
      request.newCount = turnedAwayCount
      return
    }
    let (first, stepCount) = firstNew(of: node)
    request.turn = first.past.turn
    request.gap = first.past.gap
    request.newCount = UInt8(min(254, Int(first.newCount) + stepCount + Int(turnedAwayCount)))
  }

  /// The new block of the same request that knows what the request continues, and how many blocks
  /// before this one it is: they may have come in any order.
  @inline(__always)
  private func firstNew(of node: Node) -> (Node, stepCount: Int) {
    var (first, stepCount) = (node, 0)
    while !first.isAnchor, stepCount < 254, isCurrent(first.parent) {
      let above = nodes[first.parent.slot]
      guard !above.isUsed, above.tag != 0 else { break }
      first = above
      stepCount += 1
    }
    return (first, stepCount)
  }
}
