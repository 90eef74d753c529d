import BlockPool
import Testing

@testable import BlockPolicy

/// A small pool with levels, beside what is known of its blocks.
private struct Levelled: ~Copyable {
  static let tick: UInt64 = 16
  var pool: BlockPool<TierPolicy>
  var now: UInt64 = 1
  /// By key: the key before it, and all that was said of it and is not over.
  var parents: [BlockKey: BlockKey] = [:]
  var said: [BlockKey: [Retention]] = [:]
  private var count = 0

  init(_ choice: EvictionChoice = .leafFirst, capacity: Int, limit: Int) {
    let policy = TierPolicy(choice, capacity: capacity, retentionTickNanoseconds: Self.tick)
    pool = BlockPool(capacity: capacity, seed: 3, policy: policy)
    pool.addExtent(0..<UInt32(capacity))
    pool.setRetainedLimit(limit)
  }

  /// Present keys, in an order that is the same every time.
  var present: [BlockKey] { said.keys.sorted { $0.high < $1.high } }

  func retention(_ key: BlockKey) -> Retention {
    pool.block(for: key).map { pool.retention(of: $0) } ?? .normal
  }

  func level(_ key: BlockKey) -> RetentionLevel { retention(key).level }

  /// Stores a new block; returns it and what had to go for it, with the levels of before.
  mutating func store(
    after parent: BlockKey? = nil, _ retention: Retention = .normal
  ) throws -> (key: BlockKey, evicted: [BlockKey]) {
    count += 1
    let key = key(count)
    var victims: [Evicted] = []
    let block = try pool.allocate(partCount: 1, evicted: &victims)
    for victim in victims { forget(victim.key) }
    _ = try pool.fill(block, part: 0)
    let before = parent.flatMap { pool.block(for: $0) }
    let registered = try pool.register(block, as: key, after: before)
    parents[key] = before == nil ? nil : parent
    if retention != .normal { pool.retain(registered, retention, after: before, isFirst: true) }
    said[key] = [retention]
    try pool.release(registered)
    try pool.checkInvariants()
    return (key, victims.map(\.key))
  }

  mutating func forget(_ key: BlockKey) {
    said[key] = nil
    parents[key] = nil
  }

  @discardableResult
  mutating func retain(_ key: BlockKey, _ retention: Retention) -> Bool {
    guard let block = pool.block(for: key) else { return false }
    said[key]?.append(retention)
    return pool.retain(block, retention, after: parents[key].flatMap { pool.block(for: $0) })
  }

  mutating func advance(to nanoseconds: UInt64) throws {
    now = nanoseconds
    pool.advance(to: now)
    for key in present {
      // The last moment: within a tick it may be over or not.
      said[key]?.removeAll { $0.until < .max && $0.until + Self.tick <= now }
    }
    try pool.checkInvariants()
  }
}

@Suite("Retention")
struct RetentionTests {
  private let high = Retention(priority: 90)
  private let low = Retention(priority: 10)

  @Test("What levels need is made for the first block that has one", arguments: [20, 50, 80])
  func madeLate(priority: UInt8) throws {
    var policy = TierPolicy(.leafFirst, capacity: 4)
    policy.setRetainedLimit(4)
    policy.inserted(BlockID(slot: Slot(1), generation: 1), after: nil)
    let slotCount = policy.retained.marks.count
    #expect(slotCount == 0)
    let isGranted = policy.retain(
      BlockID(slot: Slot(1), generation: 1), Retention(priority: priority), after: nil,
      isFirst: true, isCached: false)
    let isOpen = policy.retained.isOpen
    #expect(isGranted && isOpen == (priority != 50))
    try policy.checkInvariants(cachedCount: 0) { _ in false }
  }

  @Test("Low blocks leave first, then normal ones, then those above, the highest last")
  func order() throws {
    for choice in EvictionChoice.allCases {
      var tier = Levelled(choice, capacity: 4, limit: 3)
      let highest = try tier.store(Retention(priority: 100)).key
      let above = try tier.store(high).key
      _ = try tier.store()
      let below = try tier.store(low).key
      #expect(try tier.store().evicted == [below], "\(choice)")
      for _ in 0..<8 { _ = try tier.store() }
      #expect(tier.level(above) == .high && tier.level(highest) == .highest, "\(choice)")
      for expected in [above, highest] {
        // All that is normal is in use.
        for key in tier.present where tier.level(key) == .normal {
          if let block = tier.pool.block(for: key) { try tier.pool.pin(block) }
        }
        #expect(try tier.store(Retention(priority: 100)).evicted == [expected], "\(choice)")
      }
    }
  }

  @Test("When its time is over a block is normal again, within a tick, and as if just used")
  func expiry() throws {
    var tier = Levelled(capacity: 3, limit: 2)
    let kept = try tier.store(Retention(priority: 90, until: 1000)).key
    let other = try tier.store().key
    _ = try tier.store()
    try tier.advance(to: 999)
    #expect(tier.level(kept) == .high)
    try tier.advance(to: 1000 + Levelled.tick)
    #expect(tier.level(kept) == .normal)
    // It has been there longest, and is used last all the same.
    #expect(try tier.store().evicted == [other])
  }

  @Test("A time far beyond a turn of the wheel is kept, and jumps over many turns find all")
  func farDeadlines() throws {
    var tier = Levelled(capacity: 8, limit: 8)
    let turn = 256 * Levelled.tick
    let ends = [1, turn - 1, turn, turn + 1, 3 * turn + 5, 40 * turn].map { $0 + 7 }
    let keys = try ends.map { try tier.store(Retention(priority: 75, until: $0)).key }
    for moment in stride(from: 0, through: 42 * turn, by: Int(turn) / 3 + 5) {
      try tier.advance(to: moment)
      for (key, end) in zip(keys, ends) {
        if end > moment { #expect(tier.level(key) == .high) }
        if end + Levelled.tick <= moment { #expect(tier.level(key) == .normal) }
      }
    }
    var jumped = Levelled(capacity: 8, limit: 8)
    let others = try ends.map { try jumped.store(Retention(priority: 75, until: $0)).key }
    try jumped.advance(to: 41 * turn)
    for key in others { #expect(jumped.level(key) == .normal) }
  }

  @Test("Nobody's word takes another's away")
  func merging() {
    let minute = Retention(priority: 90, until: 60)
    #expect(minute.merged(with: Retention(priority: 80, until: 600)).until == 600)
    #expect(minute.merged(with: Retention(priority: 80, until: 600)).priority == 90)
    #expect(minute.merged(with: .normal) == minute)
    #expect(low.merged(with: .normal) == .normal)
    #expect(minute.merged(with: Retention(priority: 100, until: 5)).until == 5)
    #expect(Retention(priority: 0, until: 9).merged(with: Retention(priority: 3)).until == 9)
    for a in [0, 24, 25, 74, 75, 99, 100].map({ Retention(priority: $0, until: 50) }) {
      for b in [low, .normal, high] { #expect(a.merged(with: b) == b.merged(with: a)) }
    }
  }

  @Test("Above normal the least recently used makes room, and the highest only for its like")
  func budget() throws {
    var tier = Levelled(capacity: 6, limit: 2)
    let first = try tier.store(high).key
    let second = try tier.store(high).key
    let third = try tier.store(high).key
    #expect(tier.level(first) == .normal && tier.level(second) == .high)
    #expect(tier.level(third) == .high && tier.pool.retainedAboveCount == 2)
    let top = Retention(priority: 100)
    let tops = try [tier.store(top).key, tier.store(top).key]
    #expect(tops.allSatisfy { tier.level($0) == .highest })
    #expect(tier.level(second) == .normal && tier.level(third) == .normal)
    // Those of less priority find no room now, and are like everybody.
    let late = try tier.store(high).key
    #expect(tier.level(late) == .normal && tier.pool.retainedAboveCount == 2)
    // Less room: as many are normal at once.
    tier.pool.setRetainedLimit(0)
    #expect(tier.pool.retainedAboveCount == 0)
    try tier.pool.checkInvariants()
    #expect(!tier.retain(late, high) && tier.retain(late, low) && tier.level(late) == .normal)
  }

  @Test("A newcomer does not take the place of the beginning of its own sequence")
  func ownBeginning() throws {
    var tier = Levelled(capacity: 6, limit: 1)
    let first = try tier.store(high).key
    let second = try tier.store(after: first, high).key
    #expect(tier.level(first) == .high && tier.level(second) == .normal)
  }

  @Test(
    "Whoever leaves had no cached block of a lower level beside it",
    arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func model(seed: UInt64) throws {
    print("seed \(seed)")
    var state = seed
    func dice(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    let choice = EvictionChoice.allCases[Int(seed) % EvictionChoice.allCases.count]
    var tier = Levelled(choice, capacity: 12, limit: 4)
    var limit = 4
    for _ in 0..<4_000 {
      let keys = tier.present
      let before = Dictionary(uniqueKeysWithValues: keys.map { ($0, tier.retention($0)) })
      let until = dice(3) == 0 ? UInt64.max : tier.now + UInt64(dice(6_000))
      let retention = Retention(
        priority: [0, 10, 50, 75, 90, 100][dice(6)], until: until)
      var evicted: [BlockKey] = []
      var isLimitLower = false
      switch dice(10) {
      case 0..<4:
        let parent = keys.isEmpty || dice(3) == 0 ? nil : keys[dice(keys.count)]
        evicted = try tier.store(after: parent, dice(2) == 0 ? .normal : retention).evicted
      case 4..<6 where !keys.isEmpty: tier.retain(keys[dice(keys.count)], retention)
      case 6 where !keys.isEmpty:
        if let block = tier.pool.block(for: keys[dice(keys.count)]) { try tier.pool.touch(block) }
      case 7:
        let next = dice(7)
        isLimitLower = next < limit
        limit = next
        tier.pool.setRetainedLimit(limit)
      default: try tier.advance(to: tier.now + UInt64(dice(20) == 0 ? 9_000 : dice(40)))
      }
      try tier.pool.checkInvariants()
      for victim in evicted {
        let lower = before.filter { $0.value.level < before[victim]!.level }
        #expect(lower.isEmpty, "a block left before one of a lower level")
      }
      #expect(tier.pool.retainedAboveCount <= limit)
      for key in tier.present {
        let claims = tier.said[key]!.map(\.level)
        let (level, claimed) = (tier.level(key), claims.max() ?? .normal)
        #expect(
          level <= max(claimed, .normal) && level >= min(claimed, .normal),
          "\(tier.retention(key)) of \(tier.said[key]!) at \(tier.now)")
        // It lost its level for others, with less room, or with its time.
        if let old = before[key], old.level > .normal, level == .normal, old.until > tier.now {
          #expect(isLimitLower || tier.pool.retainedAboveCount == limit, "\(old) at \(tier.now)")
        }
      }
    }
  }
}
