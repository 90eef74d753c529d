/// How soon blocks of each class are used again, learnt from what became of earlier ones, and what
/// holding one is worth.
///
/// For each class and bucket of age: how many blocks reached that age unused, and how many were
/// used in it. From these comes the chance of use in each bucket, given that it was reached; a
/// class that has seen little leans on its group. The *worth* of a block is the best, over all
/// spans that it could be held for, of the chance of use within the span divided by the expected
/// time held: uses per tick. What is worth least goes first.
///
/// Old observations fade, so that a change of workload is followed.
struct ReuseTable: ~Copyable {
  /// Buckets of age are half octaves of ticks.
  static let bucketCount = 64

  /// By node (class or group) and bucket: how many more blocks reached the bucket than the one
  /// before it, so that a block is noted at two places however many buckets it has passed. Groups
  /// are summed up in `update`.
  private let steps: Column<Float>
  /// By node and bucket: how many were used there.
  private let used: Column<Float>
  /// By group and bucket, and behind them a row for the class that is judged.
  private let chances: Column<Float>
  private let worths: Column<Float>
  private let group: Column<UInt16>
  /// By node: the one whose worths it has: itself if it was seen, else the nearest group that was.
  private let rows: Column<UInt16>
  /// By node: whether blocks of it were seen.
  private let isSeen: Column<Bool>
  /// The classes of which blocks were seen, in order.
  private let seenClasses: Column<UInt16>
  private var seenCount = 0
  private var hasNewClass = true
  /// Ticks in each bucket.
  private let widths: Column<Float>
  /// Room for `weigh`.
  private let spans: Column<Span>
  private var observedCount = 0
  /// Buckets from here on have seen nothing yet.
  private var bucketEnd = 1

  /// With so many observations in it, a table counts the older half half.
  private static let observedMax = 1 << 16
  /// How many observations a group is worth to its classes.
  private static let trust: Float = 30
  /// What is believed of a kind before anything was seen: used with this chance in each bucket.
  private static let prior: Float = 0.02
  private static let groups = ReuseClass.count..<ReuseClass.nodeCount

  init() {
    let nodeCount = ReuseClass.nodeCount
    steps = Column(zeroed: nodeCount * Self.bucketCount)
    used = Column(zeroed: nodeCount * Self.bucketCount)
    chances = Column(zeroed: (Self.groups.count + 1) * Self.bucketCount)
    worths = Column(zeroed: nodeCount * Self.bucketCount)
    group = Column(zeroed: nodeCount)
    rows = Column(zeroed: nodeCount)
    isSeen = Column(zeroed: nodeCount)
    seenClasses = Column(zeroed: ReuseClass.count)
    widths = Column(zeroed: Self.bucketCount)
    spans = Column(zeroed: Self.bucketCount)
    for bucket in 0..<Self.bucketCount {
      widths[bucket] = Self.start(of: bucket + 1) - Self.start(of: bucket)
    }
    for (node, above) in ReuseClass.groups().enumerated() {
      group[node] = UInt16(truncatingIfNeeded: above)
    }
    update(holdMin: 1)
  }

  deinit {
    steps.deallocate()
    used.deallocate()
    chances.deallocate()
    worths.deallocate()
    group.deallocate()
    rows.deallocate()
    isSeen.deallocate()
    seenClasses.deallocate()
    widths.deallocate()
    spans.deallocate()
  }

  /// The bucket of an age.
  @inline(__always)
  static func bucket(_ ticks: UInt32) -> Int {
    guard ticks > 1 else { return Int(ticks) }
    let octave = 31 - ticks.leadingZeroBitCount
    return min(bucketCount - 1, octave * 2 + Int(ticks >> UInt32(octave - 1)) & 1)
  }

  /// The first age of a bucket, in ticks.
  static func start(of bucket: Int) -> Float {
    guard bucket > 1 else { return Float(bucket) }
    let octave = Float(UInt64(1) << UInt64(bucket / 2))
    return bucket % 2 == 0 ? octave : octave * 1.5
  }

  /// The worth of a block of that class at that age.
  @inline(__always)
  func worth(of reuse: ReuseClass, atAge ticks: UInt32) -> Float {
    worths[Int(rows[reuse.index]) * Self.bucketCount + Self.bucket(ticks)]
  }

  /// A block of the class has passed through the buckets without use.
  @inline(__always)
  mutating func notePassed(_ reuse: ReuseClass, _ buckets: Range<Int>) {
    see(reuse, buckets.upperBound)
    step(reuse, buckets)
  }

  /// A block of the class was used in the last of the buckets, and has passed those before it.
  @inline(__always)
  mutating func noteUsed(_ reuse: ReuseClass, _ buckets: ClosedRange<Int>) {
    see(reuse, buckets.upperBound + 1)
    step(reuse, buckets.lowerBound..<buckets.upperBound + 1)
    used[reuse.index * Self.bucketCount + buckets.upperBound] += 1
    observedCount += 1
  }

  @inline(__always)
  private mutating func step(_ reuse: ReuseClass, _ buckets: Range<Int>) {
    let row = reuse.index * Self.bucketCount
    steps[row + buckets.lowerBound] += 1
    if buckets.upperBound < Self.bucketCount { steps[row + buckets.upperBound] -= 1 }
  }

  @inline(__always)
  private mutating func see(_ reuse: ReuseClass, _ bucketEnd: Int) {
    self.bucketEnd = max(self.bucketEnd, bucketEnd)
    if !isSeen[reuse.index] { addSeen(reuse.index) }
  }

  private mutating func addSeen(_ node: Int) {
    isSeen[node] = true
    hasNewClass = true
    var place = seenCount
    seenCount += 1
    while place > 0, Int(seenClasses[place - 1]) > node {
      seenClasses[place] = seenClasses[place - 1]
      place -= 1
    }
    seenClasses[place] = UInt16(truncatingIfNeeded: node)
  }

  /// Makes the worths anew from what was seen.
  ///
  /// - Parameter holdMin: Spans shorter than that many ticks are counted as long: the pool cannot
  ///   turn over faster, and a chance in the next instant must not look like a rate.
  /// - Complexity: O(classes that were seen · buckets).
  mutating func update(holdMin: Float) {
    if hasNewClass { findRows() }
    for node in Self.groups where isSeen[node] {
      for cell in (node * Self.bucketCount)..<(node * Self.bucketCount + bucketEnd) {
        steps[cell] = 0
        used[cell] = 0
      }
    }
    for place in 0..<seenCount { addToGroup(Int(seenClasses[place])) }
    for node in Self.groups.reversed() where isSeen[node] { addToGroup(node) }
    // A group before what belongs to it.
    for node in Self.groups where Int(rows[node]) == node { judge(node, holdMin: holdMin) }
    for place in 0..<seenCount { judge(Int(seenClasses[place]), holdMin: holdMin) }
    if observedCount > Self.observedMax { fade() }
  }

  /// Finds out by whose worths each node goes.
  private mutating func findRows() {
    hasNewClass = false
    for place in 0..<seenCount {
      var node = Int(seenClasses[place])
      while Int(group[node]) != node {
        node = Int(group[node])
        isSeen[node] = true
      }
    }
    for node in Self.groups { rows[node] = row(of: node) }
    for node in 0..<ReuseClass.count { rows[node] = row(of: node) }
  }

  /// That of the group, which has been found, where the node was not seen.
  private func row(of node: Int) -> UInt16 {
    let isOwn = isSeen[node] || Int(group[node]) == node
    return isOwn ? UInt16(truncatingIfNeeded: node) : rows[Int(group[node])]
  }

  private mutating func addToGroup(_ node: Int) {
    let above = Int(group[node])
    guard above != node else { return }
    for bucket in 0..<bucketEnd {
      steps[above * Self.bucketCount + bucket] += steps[node * Self.bucketCount + bucket]
      used[above * Self.bucketCount + bucket] += used[node * Self.bucketCount + bucket]
    }
  }

  /// Where the chances of a group are, or those of the class that is judged.
  private static func chanceRow(of node: Int) -> Int {
    bucketCount * (node < ReuseClass.count ? groups.count : node - ReuseClass.count)
  }

  /// The chance of use in a bucket, of the class that was judged last.
  func chanceJudgedLast(_ bucket: Int) -> Float {
    chances[Self.groups.count * Self.bucketCount + bucket]
  }

  private mutating func judge(_ node: Int, holdMin: Float) {
    let own = node * Self.bucketCount
    let row = Self.chanceRow(of: node)
    let above = Int(group[node])
    let rowAbove = Self.chanceRow(of: above)
    var reached: Float = 0
    for bucket in 0..<bucketEnd {
      let expected = above != node ? chances[rowAbove + bucket] : Self.prior
      reached += steps[own + bucket]
      chances[row + bucket] =
        (used[own + bucket] + Self.trust * expected) / (reached + Self.trust)
    }
    weigh(own, chancesFrom: row, holdMin: holdMin)
    for bucket in bucketEnd..<max(bucketEnd, Self.bucketCount) {
      worths[own + bucket] = worths[own + bucketEnd - 1]
    }
  }

  /// Works out the worths of one row from its chances, the last bucket first.
  ///
  /// The best span from a bucket on is that bucket alone, or it and the best span behind it, as
  /// long as that has the better rate; so each bucket's span is put together from those behind it,
  /// and every span is taken up once.
  private mutating func weigh(_ own: Int, chancesFrom row: Int, holdMin: Float) {
    var depth = 0
    for bucket in (0..<bucketEnd).reversed() {
      let now = chances[row + bucket]
      var span = Span(chance: now, held: widths[bucket] * (1 - now / 2), unused: 1 - now)
      while depth > 0, spans[depth - 1].rate > span.rate {
        span.append(spans[depth - 1])
        depth -= 1
      }
      spans[depth] = span
      depth += 1
      // What is too short to count is lengthened, but only for this bucket's worth.
      var best = span.chance / max(span.held, holdMin)
      var next = depth - 2
      while next >= 0, span.held < holdMin {
        span.append(spans[next])
        best = max(best, span.chance / max(span.held, holdMin))
        next -= 1
      }
      worths[own + bucket] = best
    }
  }

  /// Some buckets in a row: the chance of use in them, the time held, and the chance of neither.
  private struct Span: BitwiseCopyable {
    var chance: Float
    var held: Float
    var unused: Float

    /// Uses per tick.
    var rate: Float { chance / held }

    /// Goes on with another span where this one ends.
    mutating func append(_ other: Span) {
      chance += unused * other.chance
      held += unused * other.held
      unused *= other.unused
    }
  }

  private mutating func fade() {
    observedCount /= 2
    for place in 0..<seenCount {
      let first = Int(seenClasses[place]) * Self.bucketCount
      for cell in first..<(first + Self.bucketCount) {
        steps[cell] /= 2
        used[cell] /= 2
      }
    }
  }
}
