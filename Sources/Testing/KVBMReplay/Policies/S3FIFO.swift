import BlockPolicy
import BlockPool

/// Three queues: new blocks go through a small one, and what is used in it moves to the main one.
///
/// Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023). Blocks keep their
/// places while they are pinned, and are passed over. A block that left the small queue unused and
/// comes again goes to the main queue at once.
struct S3FIFO: EvictionPolicy, ~Copyable {
  private struct Node: BitwiseCopyable {
    var tag: UInt32
    /// Uses since the block came in or was spared, 3 at most.
    var uses: UInt8
    var isPinned: Bool
    var isMain: Bool
  }

  private static let small = 0
  private static let main = 1
  private static let usesMax: UInt8 = 3

  private let nodes: Column<Node>
  private var order: SlotLists
  private var ghosts: RecentTags
  private let smallMax: Int
  /// By queue: its blocks, and those of them that are not pinned.
  private var counts = [0, 0]
  private var candidates = [0, 0]

  init(capacity: Int) {
    nodes = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: 2)
    ghosts = RecentTags(capacity: max(1, capacity * 9 / 10))
    smallMax = max(1, capacity / 10)
  }

  deinit { nodes.deallocate() }

  mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    inserted(block, key: .none, after: parent)
  }

  mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    let tag = RecentTags.tag(key)
    let isMain = ghosts.remove(tag)
    nodes[block.slot] = Node(tag: tag, uses: 0, isPinned: true, isMain: isMain)
    put(block.slot, in: isMain ? Self.main : Self.small)
  }

  mutating func linked(_ block: BlockID, after parent: BlockID) {}

  mutating func pinned(_ slot: Slot) {
    nodes[slot].isPinned = true
    nodes[slot].uses = min(Self.usesMax, nodes[slot].uses + 1)
    candidates[queue(of: slot)] -= 1
  }

  mutating func released(_ slot: Slot) {
    nodes[slot].isPinned = false
    candidates[queue(of: slot)] += 1
  }

  mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: queue(of: slot))
  }

  mutating func removed(_ slot: Slot) {
    if order.isListed(slot) { take(slot) }
    nodes[slot] = Node(tag: 0, uses: 0, isPinned: false, isMain: false)
  }

  mutating func takeVictim() -> Slot? {
    // Each turn evicts, lowers a use, or moves a block on; pinned blocks go round.
    while candidates != [0, 0] {
      let isSmall =
        candidates[Self.main] == 0 || counts[Self.small] > smallMax && candidates[Self.small] > 0
      guard let slot = order.coldest(of: isSmall ? Self.small : Self.main) else { return nil }
      let node = nodes[slot]
      guard !node.isPinned, isSmall ? node.uses <= 1 : node.uses == 0 else {
        spare(slot)
        continue
      }
      if isSmall { ghosts.insert(node.tag) }
      candidates[queue(of: slot)] -= 1
      take(slot)
      return slot
    }
    return nil
  }

  /// Lets a block live on in the main queue, at one use less.
  private mutating func spare(_ slot: Slot) {
    let candidate = nodes[slot].isPinned ? 0 : 1
    candidates[queue(of: slot)] -= candidate
    take(slot)
    nodes[slot].uses = nodes[slot].isMain && nodes[slot].uses > 0 ? nodes[slot].uses - 1 : 0
    nodes[slot].isMain = true
    put(slot, in: Self.main)
    candidates[Self.main] += candidate
  }

  private func queue(of slot: Slot) -> Int { nodes[slot].isMain ? Self.main : Self.small }

  private mutating func put(_ slot: Slot, in list: Int) {
    order.insert(slot, warmIn: list)
    counts[list] += 1
  }

  private mutating func take(_ slot: Slot) {
    order.unlink(slot)
    counts[queue(of: slot)] -= 1
  }

  func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var total = 0
    for list in [Self.small, Self.main] {
      var length = 0
      var count = 0
      try order.forEach(in: list) { (slot) throws(BrokenInvariant) in
        try require(nodes[slot].isPinned || isCached(slot), "a candidate is not cached")
        try require(queue(of: slot) == list, "a block is in the wrong queue")
        length += 1
        if !nodes[slot].isPinned { count += 1 }
      }
      try require(length == counts[list], "\(length) blocks in a queue of \(counts[list])")
      try require(count == candidates[list], "\(count) candidates of \(candidates[list])")
      total += count
    }
    try require(total == cachedCount, "\(total) candidates for \(cachedCount) cached blocks")
  }
}
