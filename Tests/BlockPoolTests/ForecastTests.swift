import BlockPool
import Testing

@testable import BlockPolicy

@Suite("Forecast")
struct ForecastTests {
  /// A place in a random order of pool calls.
  private struct Play: ~Copyable {
    var state: UInt64
    var pool: CheckedPool<Forecast>
    var parents: [BlockKey: BlockKey] = [:]
    var present: Set<BlockKey> = []
    var held: [(block: BlockID, key: BlockKey)] = []
    var now: UInt64 = 0

    init(seed: UInt64, capacity: Int) {
      state = seed
      pool = CheckedPool(capacity: capacity)
    }

    mutating func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }

    /// Stores a block behind a random one, holds, releases or removes one; what leaves is checked.
    mutating func step(_ number: Int) throws {
      now += UInt64(random(1 << 26))
      pool.pool.advance(to: now)
      switch random(8) {
      case 0...3: try store(number)
      case 4, 5:
        guard held.count < 6, let name = any() else { return }
        for block in try pool.match([name]) { held.append((block, name)) }
      case 6:
        guard !held.isEmpty else { return }
        try pool.release([held.remove(at: random(held.count)).block])
      default:
        guard random(4) == 0, let name = any(), !held.contains(where: { $0.key == name }),
          let block = pool.pool.block(for: name)
        else { return }
        try pool.pool.remove(block)
        try pool.pool.checkInvariants()
        present.remove(name)
      }
    }

    private mutating func any() -> BlockKey? {
      let names = present.sorted { $0.high < $1.high }
      return names.isEmpty ? nil : names[random(names.count)]
    }

    private mutating func store(_ number: Int) throws {
      let parent = random(3) == 0 ? nil : any()
      // Names come again, so that some are remembered.
      let stored = name(1 + random(60))
      guard !present.contains(stored) else { return }
      let pinned = Set(held.map(\.key))
      let taken = try pool.allocate(1)
      for victim in taken.evicted {
        #expect(present.contains(victim) && !pinned.contains(victim))
        let leaves = present.subtracting(pinned).filter { leaf in
          !present.contains { parents[$0] == leaf }
        }
        #expect(leaves.isEmpty || leaves.contains(victim), "an inner block left before its leaves")
        present.remove(victim)
      }
      _ = try pool.pool.fill(taken.blocks[0], part: 0)
      let live = parent.flatMap { pool.pool.block(for: $0) }
      _ = try pool.pool.register(taken.blocks[0], as: stored, after: live)
      try pool.release(taken.blocks)
      parents[stored] = live == nil ? nil : parent
      for child in present where parents[child] == stored { parents[child] = nil }
      present.insert(stored)
    }
  }

  @Test("Random plays: pins hold, leaves go first, and the pool stays sound", arguments: 1...6)
  func model(seed: UInt64) throws {
    print("seed \(seed)")
    var play = Play(seed: seed, capacity: 16)
    for number in 0..<4_000 { try play.step(number) }
    #expect(play.pool.pool.counts.usable == 16)
  }

  /// Pairs come back once after ten rounds, in which more comes in than the pool holds, and among
  /// them fours that never do; returns the hits in the last 500 rounds, of 500.
  private func pairs<Policy: EvictionPolicy & ~Copyable>(
    _ pool: consuming CheckedPool<Policy>
  ) throws -> Int {
    var hitCount = 0
    for round in 0..<2_000 {
      pool.pool.advance(to: UInt64(round) << 30)
      if round % 2 == 0, round >= 10 {
        let found = try pool.use([name(4 * round - 40), name(4 * round - 39)])
        if round >= 1_500 { hitCount += found }
      }
      _ = try pool.use((0..<(round % 2 == 0 ? 2 : 4)).map { name(4 * round + $0) })
    }
    return hitCount
  }

  @Test("What comes back is kept, and what never does goes or does not come in")
  func learns() throws {
    let learnt = try pairs(CheckedPool<Forecast>(capacity: 24))
    #expect(learnt > 400)
    let plain = try pairs(CheckedPool<LRU>(capacity: 24))
    #expect(plain == 0)
  }

  @Test("A restart finds many blocks, and teaches nothing of what requests do")
  func adopted() throws {
    var policy = Forecast(capacity: 4_096)
    policy.advance(to: 1 << 33)
    let blocks = (0..<2_000 as Range<UInt32>).map { BlockID(slot: Slot($0), generation: 1) }
    for (number, block) in blocks.enumerated() { policy.adopted(block, key: name(number)) }
    // Two sequences part behind block 10.
    for (child, parent) in [(11, 10), (12, 10), (13, 12)] {
      policy.linked(blocks[child], after: blocks[parent])
    }
    policy.advance(to: 1 << 45)
    policy.update()
    let worths = [.single(uses: 1, gap: 0), .end(0), .adopted].map {
      policy.table.worth(of: $0, atAge: 1 << 10)
    }
    #expect(worths[0] == worths[1] && worths[2] < worths[1])
    let nodes = [10, 12, 13].map { policy.nodes[Int($0)].past }
    #expect(nodes[0].isFork && !nodes[1].isFork && !nodes[1].isContinued && nodes[2].isContinued)
    // A request that goes on behind the end of one of them is its next turn.
    let next = BlockID(slot: Slot(3_000), generation: 1)
    policy.inserted(next, key: name(9_999), after: blocks[13])
    #expect(policy.nodes[3_000].past.turn == 1)
    try policy.checkInvariants(cachedCount: 2_000) { $0.rawValue < 2_000 }
  }

  /// The class of a request's last block but one, whose blocks came in that order.
  private func reuse(of order: [Int]) -> ReuseClass {
    var policy = Forecast(capacity: 16)
    let blocks = (0..<6 as Range<UInt32>).map { BlockID(slot: Slot($0), generation: 1) }
    for place in order {
      policy.inserted(
        blocks[place], key: name(place), after: place > 0 ? blocks[place - 1] : nil)
      policy.rested(blocks[place].slot)
    }
    policy.beginUses(turnedAwayCount: 0)
    for block in blocks.reversed() { policy.used(block.slot, isCached: true) }
    return policy.nodes[4].reuse
  }

  @Test("A request is known for what it is, in whatever order its blocks came")
  func anyOrder() {
    let inOrder = reuse(of: [0, 1, 2, 3, 4, 5])
    #expect(inOrder == .turn(0, newCount: 6, gap: 0))
    #expect(reuse(of: [5, 3, 4, 0, 2, 1]) == inOrder)
    #expect(reuse(of: [1, 0, 3, 2, 5, 4]) == inOrder)
  }

  @Test("A block that leaves and comes back is taken for what it was")
  func ghosts() throws {
    var table = GhostTable(capacity: 8)
    var past = BlockPast()
    past.lastUse = 5
    past.turn = 3
    past.distance = 1
    past.isFork = true
    #expect(past.distance == 1 && past.isFork && !past.isContinued)
    table.insert(77, past, at: 9)
    let found = table.find(77)
    #expect(found?.turn == 3 && found?.lastUse == 5)
    let taken = table.take(77)
    let again = table.take(77)
    #expect(taken?.turn == 3 && again == nil)
    // In a full set what was used longest ago gives way.
    for number in 0..<5 as Range<UInt32> {
      past.lastUse = number
      table.insert(number + 1, past, at: 9)
    }
    let oldest = table.find(1)
    let newest = table.find(5)
    #expect(oldest == nil && newest != nil)
  }

  @Test("Buckets of age are half octaves, in order and without gaps")
  func buckets() {
    #expect((0...8).map { ReuseTable.bucket($0) } == [0, 1, 2, 3, 4, 4, 5, 5, 6])
    #expect(ReuseTable.bucket(.max) == 63)
  }

  @Test("Every class has a number of its own, and a group that comes to a kind")
  func classes() {
    var seen: Set<Int> = []
    for uses in [1, 2, 3, 4, 5, 9, 17, 33] {
      for gap in 0..<10 {
        seen.insert(ReuseClass.single(uses: uses, gap: gap).index)
        seen.insert(ReuseClass.trunk(uses: uses, gap: gap).index)
        for length in [1, 2, 4, 8, 16, 32, 64, 128] {
          seen.insert(ReuseClass.turn(uses - 1, newCount: length, gap: gap).index)
        }
      }
      seen.insert(ReuseClass.end(uses - 1).index)
    }
    seen.formUnion([ReuseClass.adopted.index, ReuseClass.resting.index])
    #expect(seen == Set(0..<ReuseClass.count))
    let groups = ReuseClass.groups()
    for node in groups.indices {
      var above = node
      for _ in 0..<6 { above = groups[above] }
      #expect((ReuseClass.count..<ReuseClass.count + 5).contains(above))
      #expect(groups[node] < node || node < ReuseClass.count + 5)
    }
  }

  @Test("What is used sooner and more often is worth more, and worth falls when the time is past")
  func worth() {
    var table = ReuseTable()
    var log = ReuseLog()
    let soon = ReuseClass.turn(1, newCount: 4, gap: 3)
    let late = ReuseClass.turn(2, newCount: 4, gap: 3)
    let never = ReuseClass.turn(0, newCount: 4, gap: 0)
    for number in 0..<900 as Range<UInt32> {
      let reuse = [soon, late, never][Int(number % 3)]
      let entry = log.await(reuse, tag: number << 16, at: number, span: 100)
      #expect(entry != 0)
      if reuse == soon { log.noteUse(entry, at: number + 100, in: &table) }
      if reuse == late { log.noteUse(entry, at: number + 2_000, in: &table) }
    }
    log.sweep(at: 20_000, in: &table)
    table.update(holdMin: 10)
    let fresh = [soon, late, never].map { table.worth(of: $0, atAge: 50) }
    #expect(fresh[0] > 2 * fresh[1] && fresh[1] > 2 * fresh[2])
    let past = table.worth(of: soon, atAge: 4_000)
    #expect(past < fresh[0] / 10)
  }

  @Test("A worth is the best of all spans", arguments: [1, 300] as [Float])
  func spans(holdMin: Float) {
    var table = ReuseTable()
    var state: UInt64 = 5
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let bucket = Int(state >> 33) % 30
      let isUsed = Int(state >> 45) % (2 + bucket * 7 % 11) == 0
      if isUsed {
        table.noteUsed(.end(0), bucket...bucket)
      } else {
        table.notePassed(.end(0), bucket..<bucket + 1)
      }
    }
    table.update(holdMin: holdMin)
    // The first age of each bucket.
    let starts = (0...30).map { bucket in
      (0..<100_000 as Range<UInt32>).first { ReuseTable.bucket($0) == bucket } ?? 0
    }
    for first in 0..<30 {
      var best: Float = 0
      var (chance, held, unused): (Float, Float, Float) = (0, 0, 1)
      for bucket in first..<30 {
        let now = table.chanceJudgedLast(bucket)
        chance += unused * now
        held += unused * Float(starts[bucket + 1] - starts[bucket]) * (1 - now / 2)
        unused *= 1 - now
        best = max(best, chance / max(held, holdMin))
      }
      let worth = table.worth(of: .end(0), atAge: starts[first])
      // Where short spans are lengthened, those that end within the best span behind are left out.
      #expect(worth <= best * 1.001 && worth >= best * (holdMin == 1 ? 0.999 : 0.8))
    }
  }

  @Test("The log follows fewer when it would forget too early", arguments: [1, 1 << 20])
  func sparse(span: UInt32) {
    var log = ReuseLog()
    var followed = 0
    for number in 0..<400_000 as Range<UInt32> {
      let entry = log.await(.end(0), tag: number, at: number, span: span)
      if number >= 300_000, entry != 0 { followed += 1 }
    }
    #expect(span == 1 ? followed == 100_000 : followed < 30_000)
  }

  @Test("A shadow cache has the hits of a list in its order", arguments: [1, 64])
  func shadow(levelCount: Int) {
    var cache = ShadowCache(capacity: 13, levelCount: levelCount)
    var order: [(tag: UInt32, level: Int)] = []
    var state: UInt64 = 9
    for _ in 0..<4_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let tag = 1 + UInt32(min(state >> 33 % 40, state >> 43 % 40))
      let place = order.firstIndex { $0.tag == tag }
      let isHit = cache.use(tag)
      #expect(isHit == (place != nil))
      if let place {
        let level = order.remove(at: place).level
        order.append((tag, min(levelCount - 1, level + 1)))
      } else {
        if order.count == 13, let lowest = order.map(\.level).min() {
          order.remove(at: order.firstIndex { $0.level == lowest } ?? 0)
        }
        order.append((tag, 0))
      }
    }
  }

  @Test("The rule changes to one that does better, and the forecast gets another chance")
  func duel() {
    var duel = Duel(capacity: 64)
    var rules: [Duel.Rule] = []
    // LRU would have every block again that was used just before; the pool has none.
    for number in 0..<200_000 as Range<UInt32> {
      duel.note(1 + number / 2, isHit: false)
      if rules.last != duel.rule { rules.append(duel.rule) }
    }
    #expect(rules.count > 3 && rules[1] == .lru && rules[2] == .forecast)
    var winner = Duel(capacity: 64)
    for number in 0..<200_000 as Range<UInt32> {
      winner.note(1 + number / 2, isHit: number % 2 == 1)
      #expect(winner.rule == .forecast)
    }
  }
}

extension CheckedPool where Policy: ~Copyable {
  /// Plays a request: pins what is there, stores what the policy wants, releases all; returns the
  /// hits.
  fileprivate mutating func use(_ keys: [BlockKey]) throws -> Int {
    var blocks = try match(keys)
    let hitCount = blocks.count
    let absent = Array(keys[hitCount...])
    let admitted = pool.admit(absent.span, after: blocks.last)
    for name in absent.prefix(admitted) {
      let block = try allocate(1).blocks[0]
      _ = try pool.fill(block, part: 0)
      blocks.append(try pool.register(block, as: name, after: blocks.last))
    }
    try release(blocks)
    return hitCount
  }
}

/// A key as hashes are: unlike `key`, no two look alike to a policy.
private func name(_ number: Int) -> BlockKey {
  BlockKey(high: UInt64(number) + 1, low: UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15)
}
