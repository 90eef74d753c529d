import BlockIdentity
import BlockPolicy
import BlockPool

/// Keys from tokens, and the pool's five-step cycle.
enum Keys {
  static func rows() -> [Row] {
    [16, 32].map(hashing) + [16_384, 131_072].map(cycle)
  }

  private static func hashing(_ blockTokens: Int) -> Row {
    let tokens = (0..<blockTokens * 1024).map { UInt32($0) }
    let root = BlockKey(high: 1, low: 2)
    let nanoseconds = Measure.best(units: 1024) {
      var chain = KeyChain(root: root, blockTokenCount: blockTokens)
      tokens.withUnsafeBufferPointer { chain.append($0) }
      sink = chain.keys[1023].low
    }
    return Row(
      name: "key of a block of \(blockTokens) tokens", value: nanoseconds, unit: "ns",
      yardstick: nil)
  }

  /// Match, release, allocate with eviction, register, release; batches of 64.
  private static func cycle(_ capacity: Int) -> Row {
    var pool = BlockPool<LeafFirst>(capacity: capacity, seed: 7)
    pool.addExtent(0..<UInt32(capacity))
    let batch = 64
    var next: UInt64 = 1
    var ids = [BlockID](repeating: .none, count: batch)
    var evicted: [Evicted] = []
    func keys(_ first: UInt64) -> [BlockKey] {
      (0..<UInt64(batch)).map { index in
        let mixed = (first + index) &* 0x9E37_79B9_7F4A_7C15
        return BlockKey(high: mixed, low: mixed ^ (mixed >> 31))
      }
    }
    func store() {
      let names = keys(next)
      evicted.removeAll(keepingCapacity: true)
      var span = ids.mutableSpan
      guard (try? pool.allocate(into: &span, partCount: 1, evicted: &evicted)) != nil else {
        return
      }
      try? pool.register(&span, as: names.span, after: nil, filled: true)
      try? pool.release(ids.span)
      next += UInt64(batch)
    }
    for _ in 0..<(capacity / batch) { store() }
    let roundCount = 512
    let nanoseconds = Measure.best(units: roundCount * batch) {
      for round in 0..<roundCount {
        let names = keys(next - UInt64((round * 7919) % (capacity - batch)) - UInt64(batch))
        var span = ids.mutableSpan
        let count = pool.matchPrefix(names.span, into: &span)
        try? pool.release(ids.span.extracting(0..<count))
        store()
      }
    }
    return Row(
      name: "five-step cycle, \(capacity) blocks, leaf-first", value: nanoseconds,
      unit: "ns a block", yardstick: nil)
  }

  /// Keeps the optimiser from dropping what is measured.
  nonisolated(unsafe) static var sink: UInt64 = 0
}
