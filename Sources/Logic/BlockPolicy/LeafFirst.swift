/// Evicts a block only after its descendants, and the least recently used leaf first.
///
/// A prefix without its beginning is worthless, so a sequence is given up from its tail. When the
/// last child of a cached block goes, that block becomes the next victim: its last use is no later
/// than its child's, but for prompts that end exactly there.
///
/// Leaf-first is a preference and not a promise: while all leaves are pinned, the coldest inner
/// block goes. So whatever is cached can be evicted, and a pool knows without a walk how much it
/// can give. Blocks of one sequence may register in any order, as long as each names its parent
/// while that is at least being filled.
public struct LeafFirst: EvictionPolicy, ~Copyable {
  /// What is known of a slot's block and its place in the tree of sequences.
  @usableFromInline
  struct Node: BitwiseCopyable {
    /// The block before this one; no generation at a root. Stale when it has left before its child.
    @usableFromInline var parent: BlockID
    /// The generation of the block, from its registration on or from that of its first child; 0
    /// without one.
    @usableFromInline var generation: UInt32
    /// How many registered blocks name this one as their parent.
    @usableFromInline var childCount: UInt32

    /// A node; without arguments that of a slot without a block.
    @inlinable
    init(parent: BlockID = .none, generation: UInt32 = 0, childCount: UInt32 = 0) {
      self.parent = parent
      self.generation = generation
      self.childCount = childCount
    }
  }

  /// The list of cached blocks without children, evicted first.
  @inlinable static var leaves: Int { 0 }
  /// The list of cached blocks with children, evicted when no leaf is cached.
  @inlinable static var inner: Int { 1 }

  /// By slot.
  @usableFromInline let nodes: Column<Node>
  /// Both lists, each from its coldest slot to its warmest.
  @usableFromInline var order: SlotLists

  /// A policy for slots `0..<capacity`; 24 bytes a slot.
  public init(capacity: Int) {
    nodes = Column(zeroed: capacity)
    order = SlotLists(capacity: capacity, listCount: 2)
  }

  deinit { nodes.deallocate() }

  /// Makes the block's node, and counts it at its parent.
  @inlinable @inline(__always)
  public mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    // Children that came before their parent have counted themselves already.
    let childCount = isCurrent(block) ? nodes[block.slot].childCount : 0
    nodes[block.slot] = Node(generation: block.generation, childCount: childCount)
    if let parent { linked(block, after: parent) }
  }

  /// Counts the block at its parent, which is no leaf any more; nothing if it has one.
  @inlinable @inline(__always)
  public mutating func linked(_ block: BlockID, after parent: BlockID) {
    guard parent.slot != block.slot, !isCurrent(nodes[block.slot].parent) else { return }
    nodes[block.slot].parent = parent
    if !isCurrent(parent) { nodes[parent.slot] = Node(generation: parent.generation) }
    nodes[parent.slot].childCount += 1
    if nodes[parent.slot].childCount == 1, order.isListed(parent.slot) {
      order.unlink(parent.slot)
      order.insert(parent.slot, warmIn: Self.inner)
    }
  }

  /// Takes the slot out of its list.
  @inlinable @inline(__always)
  public mutating func pinned(_ slot: Slot) { order.unlink(slot) }

  /// Puts the slot at the warm end of the list that its children ask for.
  @inlinable @inline(__always)
  public mutating func released(_ slot: Slot) { order.insert(slot, warmIn: list(of: slot)) }

  /// Moves the slot to the cold end of its list.
  public mutating func cooled(_ slot: Slot) {
    order.unlink(slot)
    order.insert(slot, coldIn: list(of: slot))
  }

  /// Forgets the block; a cached parent that loses its last child is the next victim.
  @inlinable @inline(__always)
  public mutating func removed(_ slot: Slot) {
    let parent = nodes[slot].parent
    nodes[slot] = Node()
    guard isCurrent(parent) else { return }
    nodes[parent.slot].childCount -= 1
    if nodes[parent.slot].childCount == 0, order.isListed(parent.slot) {
      order.unlink(parent.slot)
      order.insert(parent.slot, coldIn: Self.leaves)
    }
  }

  /// The block, which is in no list, is ordered elsewhere from now on, and may come back: those
  /// that name it as their parent stay counted.
  mutating func withdrew(_ slot: Slot) {
    let node = nodes[slot]
    removed(slot)
    nodes[slot] = Node(generation: node.generation, childCount: node.childCount)
  }

  /// Takes the coldest leaf, or the coldest inner block when no leaf is cached.
  ///
  /// - Complexity: O(1).
  @inlinable @inline(__always)
  public mutating func takeVictim() -> Slot? {
    guard let slot = order.coldest(of: Self.leaves) ?? order.coldest(of: Self.inner) else {
      return nil
    }
    order.unlink(slot)
    return slot
  }

  /// The coldest leaf.
  @inlinable @inline(__always)
  public mutating func likelyVictim() -> Slot? { order.coldest(of: Self.leaves) }

  /// The slot's node, and its place in the order.
  @inlinable @inline(__always)
  public mutating func prefetch(_ slot: Slot) {
    nodes.prefetch(slot.index)
    order.prefetch(slot)
  }

  /// Whether the slot is a candidate.
  func isListed(_ slot: Slot) -> Bool { order.isListed(slot) }

  /// The candidate that would go next; nil when there is none.
  var coldest: Slot? { coldestLeaf ?? order.coldest(of: Self.inner) }

  /// The leaf that would go next; nil when no leaf is cached.
  var coldestLeaf: Slot? { order.coldest(of: Self.leaves) }

  /// The list that a cached slot belongs in.
  @inlinable @inline(__always)
  func list(of slot: Slot) -> Int { nodes[slot].childCount == 0 ? Self.leaves : Self.inner }

  /// Whether the node of the block's slot is that block's.
  @inlinable @inline(__always)
  func isCurrent(_ block: BlockID) -> Bool {
    block.generation != 0 && nodes[block.slot].generation == block.generation
  }

  /// Throws unless the cached slots are listed by their kind, and children are counted right.
  ///
  /// - Complexity: O(capacity).
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var count = 0
    for (list, isLeaf) in [(Self.leaves, true), (Self.inner, false)] {
      try order.forEach(in: list) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a candidate is not cached")
        try require((nodes[slot].childCount == 0) == isLeaf, "a block is in the wrong list")
        count += 1
      }
    }
    try require(count == cachedCount, "\(count) candidates for \(cachedCount) cached blocks")
    var children = 0
    var counted = 0
    for position in 0..<nodes.count {
      if isCurrent(nodes[position].parent) { children += 1 }
      counted += Int(nodes[position].childCount)
    }
    try require(children == counted, "\(children) children, \(counted) counted by their parents")
  }
}
