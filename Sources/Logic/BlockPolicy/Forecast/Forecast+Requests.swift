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
  /// How many blocks behind the one released first were not stored; 2 and more are 2. Turn, gap and
  /// newCount are known then.
  var turnedAway: UInt8 = 0
  /// The block that became a fork since blocks were released last.
  var newFork = Slot.none
}

extension Forecast {
  /// Notes of a block that comes in which request it belongs to, from the block before it.
  ///
  /// What a request continues is told by the last block that it shares with an earlier one, whether
  /// that is in the pool or remembered.
  mutating func place(_ node: inout Node, before: BlockPast?, after parent: BlockID?) {
    if let before {
      node.past = before
      node.past.logNumber = 0
      continueTurn(of: before, &node.past)
      if before.isContinued, request.newFork != .none {
        // No parting of ways: what lay between had left.
        nodes[request.newFork].past.isFork = false
        request.newFork = .none
      }
      return
    }
    node.newCount = 1
    guard let parent, isCurrent(parent), nodes[parent.slot].tag != 0 else { return }
    let above = nodes[parent.slot]
    if !above.isUsed {
      node.past.turn = above.past.turn
      node.past.gap = above.past.gap
      node.newCount = min(254, above.newCount) + 1
    } else if above.past.isContinued {
      continueTurn(of: above.past, &node.past)
    } else if !above.past.isFork {
      nodes[parent.slot].past.isFork = true
      request.newFork = parent.slot
    }
  }

  /// The turn and gap of a request that goes on behind a block.
  func continueTurn(of before: BlockPast, _ past: inout BlockPast) {
    guard before.isContinued else {
      past.turn = 0
      past.gap = 0
      return
    }
    past.turn = min(254, before.turn) + 1
    let level = ReuseClass.gapLevel(now &- before.lastUse, scale: pace.scale)
    past.gap = UInt8(truncatingIfNeeded: level)
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
    let gap = gap(of: node.past)
    noteUse(node.tag, isHit: node.isUsed)
    node.past.uses = min(254, node.past.uses) + 1
    request.isTrunk = request.isTrunk || node.past.isFork
    let isRoot = !isCurrent(node.parent)
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
    node.flags |= Node.used
    nodes[slot] = node
    return reuse
  }

  /// Begins a request with its last block.
  private mutating func begin(with node: Node) {
    request.distance = request.turnedAway
    request.isTrunk = false
    request.turnedAway = 0
    guard request.distance == 0 else { return }
    if node.isUsed {
      var past = node.past
      continueTurn(of: node.past, &past)
      request.turn = past.turn
      request.gap = past.gap
      request.newCount = 0
    } else {
      request.turn = node.past.turn
      request.gap = node.past.gap
      request.newCount = node.newCount
    }
  }
}
