import BlockPool

/// What a policy made of a trace.
public struct ReplayResult: Equatable, Sendable {
  /// Requests that were played.
  public var requestCount = 0
  /// Blocks that they needed.
  public var blockCount = 0
  /// Blocks that were there, with all blocks before them.
  public var hitCount = 0
  /// Blocks that had to leave for others.
  public var evictedCount = 0
  /// Blocks that were not stored: a request needed more than the pool has.
  public var refusedCount = 0
  /// Blocks that were stored: what is written to the tier.
  public var storedCount = 0
  /// Blocks that were not stored: the policy had something better, or they were not admitted.
  public var declinedCount = 0
  /// Calls that the pool saw, counted by block: match, allocate, register, release.
  public var operationCount = 0

  /// Hits per needed block.
  public var hitRate: Double { blockCount == 0 ? 0 : Double(hitCount) / Double(blockCount) }
}

/// Plays a trace on a pool of the kind that a node has, one request after another.
///
/// Each request pins the blocks that are there, stores those that are not, and releases all of
/// them, tails first. A block is a hit only when all blocks before it are, for attention needs the
/// whole prefix. What lies behind a gap is no hit, and is not stored twice.
public struct Replay<Policy: EvictionPolicy & ~Copyable>: ~Copyable {
  private var pool: BlockPool<Policy>
  /// What comes in; nil for everything.
  private var admission: (any AdmissionPolicy)?
  private var ids: [BlockID] = []
  private var evicted: [Evicted] = []
  /// What has happened so far.
  public private(set) var result = ReplayResult()

  /// A replay on an empty pool of so many blocks, at least 1, into which comes what `admission`
  /// says, or everything.
  public init(blockCount: Int, admission: (any AdmissionPolicy)? = nil) {
    precondition(blockCount > 0, "a pool has blocks")
    // Keys of a recording are nobody's attack, and equal runs should be equal.
    self.admission = admission
    pool = BlockPool(capacity: blockCount, seed: 1)
    pool.addExtent(0..<UInt32(blockCount))
  }

  /// Plays a request.
  ///
  /// - Parameters:
  ///   - arrival: Nanoseconds since any origin; nil when the recording does not say.
  ///   - priority: What it calls its blocks worth, 0...100.
  /// - Throws: `PoolError` when the pool contradicts its contract.
  /// - Complexity: O(`keys.count`).
  public mutating func play(
    _ keys: Span<BlockKey>, arrival: UInt64?, priority: Int = AdmissionCandidate.normalPriority
  ) throws(PoolError) {
    if ids.count < keys.count { ids = Array(repeating: .none, count: keys.count) }
    if let arrival { pool.advance(to: arrival) }
    let hitCount = Self.match(keys, in: &pool, into: &ids)
    result.requestCount += 1
    result.blockCount += keys.count
    result.hitCount += hitCount
    result.operationCount += hitCount
    let end = admitted(keys, from: hitCount, arrival, priority)
    let heldCount = try store(keys.extracting(0..<end), from: hitCount)
    result.declinedCount += keys.count - end
    try Self.release(ids, heldCount, in: &pool)
    result.operationCount += heldCount
  }

  private static func release(
    _ ids: [BlockID], _ count: Int, in pool: inout BlockPool<Policy>
  ) throws(PoolError) {
    try pool.release(ids.span.extracting(0..<count))
  }

  private static func match(
    _ keys: Span<BlockKey>, in pool: inout BlockPool<Policy>, into ids: inout [BlockID]
  ) -> Int {
    var span = ids.mutableSpan
    return pool.matchPrefix(keys, into: &span)
  }

  /// Where what may be held of a request ends: before the first block that is neither there nor
  /// admitted, for what is behind it could not be used. The policy sees all blocks.
  private mutating func admitted(
    _ keys: Span<BlockKey>, from first: Int, _ arrival: UInt64?, _ priority: Int
  ) -> Int {
    guard admission != nil else { return keys.count }
    var end = keys.count
    for place in keys.indices {
      let candidate = AdmissionCandidate(
        key: keys[place], bytes: 1, priority: priority, now: arrival ?? 0)
      let isAdmitted = admission?.admits(candidate) ?? true
      if place >= first && place < end && !isAdmitted && !pool.contains(keys[place]) { end = place }
    }
    return end
  }

  /// Brings in what is missing behind the prefix; returns how many blocks from the start are held.
  private mutating func store(_ keys: Span<BlockKey>, from first: Int) throws(PoolError) -> Int {
    evicted.removeAll(keepingCapacity: true)
    defer { result.evictedCount += evicted.count }
    let parent = first > 0 ? ids[first - 1] : nil
    let wanted = first + pool.admit(keys.extracting(first...), after: parent)
    result.declinedCount += keys.count - wanted
    for place in first..<wanted {
      if let resident = pool.block(for: keys[place]) {
        try pool.pin(resident)
        ids[place] = resident
        result.operationCount += 1
        continue
      }
      guard pool.counts.available > 0 else {
        result.refusedCount += wanted - place
        return place
      }
      let block = try pool.allocate(partCount: 1, evicted: &evicted)
      _ = try pool.fill(block, part: 0)
      ids[place] = try pool.register(
        block, as: keys[place], after: place > 0 ? ids[place - 1] : nil)
      result.storedCount += 1
      result.operationCount += 2
    }
    return wanted
  }

  /// Throws when the pool contradicts itself.
  ///
  /// - Complexity: O(blocks).
  public func checkInvariants() throws(BrokenInvariant) {
    let pinCount = try pool.checkInvariants()
    try require(pinCount == 0, "\(pinCount) pins are left when no request is")
  }
}
