import BlockIdentity
import BlockPolicy
import BlockPool

/// The steps one by one, under one policy; nanoseconds a block.
struct StepFigures {
  private(set) var matches: [PoolReport.Match] = []
  private(set) var allocate = Double.infinity
  private(set) var register = Double.infinity
  private(set) var release = Double.infinity
  private(set) var missCount = 0

  private static let roundCount = 5
  /// Enough calls that reading the clock is nothing beside them.
  private static func callCount(_ length: Int) -> Int { max(256, 16_384 / length) }

  init(_ choice: EvictionChoice, blockCount: Int) {
    var subject = PoolUnderTest(
      blockCount: blockCount, TierPolicy(choice, capacity: blockCount))
    subject.fill()
    for length in [8, 32, 128, 2048] where length * 2 <= blockCount {
      measureMatch(length, &subject)
    }
    for _ in 0..<Self.roundCount { measureSteps(&subject) }
    missCount += subject.missCount
  }

  /// Prefixes that begin anywhere, and were stored as sequences.
  private mutating func measureMatch(
    _ length: Int, _ subject: inout PoolUnderTest<TierPolicy>
  ) {
    let capacity = subject.pool.capacity
    let callCount = Self.callCount(length)
    let firsts = (0..<callCount).map { _ in
      subject.storedCount - capacity + subject.dice.below(capacity - length)
    }
    let present = firsts.map { first in (0..<length).map { KeyStream.key(first + $0) } }
    let absent = firsts.map { first in (0..<length).map { KeyStream.key(-1 - first - $0) } }
    var rows = Self.rows(callCount, length)
    var hit = Double.infinity
    var miss = Double.infinity
    for _ in 0..<Self.roundCount {
      var start = Stopwatch.now
      for call in rows.indices {
        missCount += length - match(present[call], &rows[call], in: &subject.pool)
      }
      hit = min(hit, Double(Stopwatch.now - start) / Double(callCount * length))
      for row in rows { release(row, &subject) }
      start = Stopwatch.now
      for call in rows.indices {
        missCount += match(absent[call], &rows[call], in: &subject.pool)
      }
      miss = min(miss, Double(Stopwatch.now - start) / Double(callCount))
    }
    matches.append(PoolReport.Match(length: length, hitNs: hit, missCallNs: miss))
  }

  private static func rows(_ count: Int, _ length: Int) -> [[BlockID]] {
    Array(repeating: Array(repeating: .none, count: length), count: count)
  }

  private func match(
    _ keys: [BlockKey], _ row: inout [BlockID], in pool: inout BlockPool<TierPolicy>
  ) -> Int {
    var span = row.mutableSpan
    return pool.matchPrefix(keys.span, into: &span)
  }

  private func allocate(
    _ row: inout [BlockID], _ evicted: inout [Evicted], in pool: inout BlockPool<TierPolicy>
  ) throws(PoolError) {
    var span = row.mutableSpan
    try pool.allocate(into: &span, partCount: 1, evicted: &evicted)
  }

  private func register(
    _ row: inout [BlockID], _ keys: [BlockKey], in pool: inout BlockPool<TierPolicy>
  ) throws(PoolError) {
    var span = row.mutableSpan
    try pool.register(&span, as: keys.span, after: nil, filled: true)
  }

  private mutating func release(
    _ row: [BlockID], _ subject: inout PoolUnderTest<TierPolicy>
  ) {
    do throws(PoolError) { try subject.pool.release(row.span) } catch { missCount += 1 }
  }

  /// Batches of one sequence each, as many as a quarter of the pool holds.
  private mutating func measureSteps(_ subject: inout PoolUnderTest<TierPolicy>) {
    let batchCount = min(4096, subject.pool.capacity / 4 / batchSize)
    let count = batchCount * batchSize
    var rows = Self.rows(batchCount, batchSize)
    let keys = rows.indices.map { batch in
      (0..<batchSize).map { KeyStream.key(subject.storedCount + batch * batchSize + $0) }
    }
    var evicted: [Evicted] = []
    evicted.reserveCapacity(count)
    let start = Stopwatch.now
    do throws(PoolError) {
      for batch in rows.indices {
        try allocate(&rows[batch], &evicted, in: &subject.pool)
      }
      let allocated = Stopwatch.now
      for batch in rows.indices {
        try register(&rows[batch], keys[batch], in: &subject.pool)
      }
      let registered = Stopwatch.now
      for row in rows { try subject.pool.release(row.span) }
      let released = Stopwatch.now
      allocate = min(allocate, Double(allocated - start) / Double(count))
      register = min(register, Double(registered - allocated) / Double(count))
      release = min(release, Double(released - registered) / Double(count))
    } catch { missCount += 1 }
    subject.storedCount += count
  }
}
