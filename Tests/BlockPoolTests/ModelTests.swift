import BlockPool
import Testing

/// What a pool should be: resident keys with their pins, least recently used first.
private struct NaivePool {
  var capacity: Int
  var order: [BlockKey] = []
  var pins: [BlockKey: Int] = [:]

  var isFull: Bool { pins.count == capacity }
  var victim: BlockKey? { order.first { pins[$0] == 0 } }

  mutating func touch(_ key: BlockKey) {
    order.removeAll { $0 == key }
    order.append(key)
  }

  mutating func remove(_ key: BlockKey) {
    order.removeAll { $0 == key }
    pins[key] = nil
  }
}

@Suite("BlockPool against a naive model")
struct ModelTests {
  /// Plays one operation in pool and model: even codes store a key, odd ones match and hold it; one
  /// more than all of those releases the oldest hold.
  private func play(
    _ code: Int, keyCount: Int, _ pool: inout CheckedPool<LRU>, _ model: inout NaivePool,
    _ held: inout [(BlockID, BlockKey)]
  ) throws {
    if code == 2 * keyCount {
      guard !held.isEmpty else { return }
      let (block, key) = held.removeFirst()
      try pool.release([block])
      model.pins[key]! -= 1
      if model.pins[key] == 0 { model.touch(key) }
      return
    }
    let key = key(code / 2)
    if code % 2 == 1 {
      let blocks = try pool.match([key])
      #expect(blocks.isEmpty == (model.pins[key] == nil))
      if let block = blocks.first {
        held.append((block, key))
        model.pins[key]! += 1
      }
      return
    }
    let victim = model.isFull ? model.victim : nil
    guard !model.isFull || victim != nil else {
      #expect(throws: PoolError.self) { _ = try pool.store([key]) }
      return
    }
    let evicted = try pool.store([key])
    #expect(evicted == (victim.map { [$0] } ?? []))
    if let victim { model.remove(victim) }
    if model.pins[key] == nil { model.pins[key] = 0 }
    if model.pins[key] == 0 { model.touch(key) }
  }

  @Test("Every order of five operations, at every small capacity", arguments: [1, 2, 3])
  func enumeration(capacity: Int) throws {
    let codeCount = 2 * 3 + 1
    for number in 0..<(codeCount * codeCount * codeCount * codeCount * codeCount) {
      var pool = CheckedPool<LRU>(capacity: capacity)
      var model = NaivePool(capacity: capacity)
      var held: [(BlockID, BlockKey)] = []
      var rest = number
      for _ in 0..<5 {
        try play(rest % codeCount, keyCount: 3, &pool, &model, &held)
        rest /= codeCount
      }
      #expect(pool.pool.counts.pinned + pool.pool.counts.cached == model.pins.count)
    }
  }

  @Test("Long random plays", arguments: [1, 2, 3, 4] as [UInt64])
  func random(seed: UInt64) throws {
    print("seed \(seed)")
    var state = seed
    var pool = CheckedPool<LRU>(capacity: 8)
    var model = NaivePool(capacity: 8)
    var held: [(BlockID, BlockKey)] = []
    for _ in 0..<5_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let code = held.count > 12 ? 40 : Int(state >> 33) % 41
      try play(code, keyCount: 20, &pool, &model, &held)
    }
    #expect(Set(model.order) == Set(model.pins.keys))
  }

  /// Whatever is evicted leaf-first has no cached descendant, unless no leaf was left.
  @Test("Leaf-first order, against the tree of what is there", arguments: [1, 2, 3] as [UInt64])
  func lineage(seed: UInt64) throws {
    print("seed \(seed)")
    var state = seed
    var pool = CheckedPool<LeafFirst>(capacity: 12)
    var parents: [BlockKey: BlockKey] = [:]
    var present: Set<BlockKey> = []
    for number in 0..<3_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let parent = present.sorted { $0.high < $1.high }.dropFirst(Int(state >> 33) % 13).first
      let name = BlockKey(high: UInt64(number + 1), low: state)
      let block = try pool.allocate(1)
      for victim in block.evicted {
        let children = present.filter { parents[$0] == victim }
        #expect(children.isEmpty, "an inner block left although there were leaves")
        present.remove(victim)
      }
      _ = try pool.pool.fill(block.blocks[0], part: 0)
      // The parent may have been the victim just now.
      let live = parent.flatMap { pool.pool.block(for: $0) }
      _ = try pool.pool.register(block.blocks[0], as: name, after: live)
      try pool.release([block.blocks[0]])
      if live != nil { parents[name] = parent }
      present.insert(name)
    }
    #expect(present.count == 12)
  }
}
