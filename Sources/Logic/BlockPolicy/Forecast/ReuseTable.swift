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

  private let reached: Column<Float>
  private let used: Column<Float>
  let chances: Column<Float>
  private let worths: Column<Float>
  private let group: Column<UInt16>
  /// From the classes up: a group comes behind those that belong to it.
  private let order: Column<UInt16>
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

  init() {
    let cells = ReuseClass.nodeCount * Self.bucketCount
    reached = Column(zeroed: cells)
    used = Column(zeroed: cells)
    chances = Column(zeroed: cells)
    worths = Column(zeroed: cells)
    group = Column(zeroed: ReuseClass.nodeCount)
    order = Column(zeroed: ReuseClass.nodeCount)
    widths = Column(zeroed: Self.bucketCount)
    spans = Column(zeroed: Self.bucketCount)
    for bucket in 0..<Self.bucketCount {
      widths[bucket] = Self.start(of: bucket + 1) - Self.start(of: bucket)
    }
    for (node, above) in ReuseClass.groups().enumerated() { group[node] = UInt16(above) }
    for place in 0..<order.count {
      let isClass = place < ReuseClass.count
      let node = isClass ? place : order.count - 1 - (place - ReuseClass.count)
      order[place] = UInt16(truncatingIfNeeded: node)
    }
    update(holdMin: 1)
  }

  deinit {
    reached.deallocate()
    used.deallocate()
    chances.deallocate()
    worths.deallocate()
    group.deallocate()
    order.deallocate()
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
  private static func start(of bucket: Int) -> Float {
    guard bucket > 1 else { return Float(bucket) }
    let octave = Float(UInt64(1) << UInt64(bucket / 2))
    return bucket % 2 == 0 ? octave : octave * 1.5
  }

  /// The worth of a block of that class at that age.
  @inline(__always)
  func worth(of reuse: ReuseClass, atAge ticks: UInt32) -> Float {
    worths[reuse.index * Self.bucketCount + Self.bucket(ticks)]
  }

  /// A block of the class has passed through the bucket without use.
  @inline(__always)
  mutating func notePassed(_ reuse: ReuseClass, bucket: Int) {
    bucketEnd = max(bucketEnd, bucket + 1)
    reached[reuse.index * Self.bucketCount + bucket] += 1
  }

  /// A block of the class was used in the bucket.
  @inline(__always)
  mutating func noteUsed(_ reuse: ReuseClass, bucket: Int) {
    bucketEnd = max(bucketEnd, bucket + 1)
    reached[reuse.index * Self.bucketCount + bucket] += 1
    used[reuse.index * Self.bucketCount + bucket] += 1
    observedCount += 1
  }

  /// Makes the worths anew from what was seen.
  ///
  /// - Parameter holdMin: Spans shorter than that many ticks are counted as long: the pool cannot
  ///   turn over faster, and a chance in the next instant must not look like a rate.
  /// - Complexity: O(classes · buckets).
  mutating func update(holdMin: Float) {
    let buckets = Self.bucketCount
    for cell in (ReuseClass.count * buckets)..<reached.count {
      reached[cell] = 0
      used[cell] = 0
    }
    for place in 0..<order.count where Int(group[Int(order[place])]) != Int(order[place]) {
      let node = Int(order[place])
      let above = Int(group[node])
      for bucket in 0..<buckets {
        reached[above * buckets + bucket] += reached[node * buckets + bucket]
        used[above * buckets + bucket] += used[node * buckets + bucket]
      }
    }
    for place in (0..<order.count).reversed() { judge(Int(order[place]), holdMin: holdMin) }
    if observedCount > Self.observedMax { fade() }
  }

  private mutating func judge(_ node: Int, holdMin: Float) {
    let buckets = Self.bucketCount
    let own = node * buckets
    let above = Int(group[node])
    let hasGroup = above != node
    if hasGroup, !isSeen(node) {
      for bucket in 0..<buckets {
        chances[own + bucket] = chances[above * buckets + bucket]
        worths[own + bucket] = worths[above * buckets + bucket]
      }
      return
    }
    for bucket in 0..<buckets {
      let expected = hasGroup ? chances[above * buckets + bucket] : Self.prior
      chances[own + bucket] =
        (used[own + bucket] + Self.trust * expected) / (reached[own + bucket] + Self.trust)
    }
    weigh(own, holdMin: holdMin)
    for bucket in bucketEnd..<max(bucketEnd, buckets) {
      worths[own + bucket] = worths[own + bucketEnd - 1]
    }
  }

  /// Works out the worths of one row from its chances, the last bucket first.
  ///
  /// The best span from a bucket on is that bucket alone, or it and the best span behind it, as
  /// long as that has the better rate; so each bucket's span is put together from those behind it,
  /// and every span is taken up once.
  private mutating func weigh(_ own: Int, holdMin: Float) {
    var depth = 0
    for bucket in (0..<bucketEnd).reversed() {
      let now = chances[own + bucket]
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

  private func isSeen(_ node: Int) -> Bool {
    let first = node * Self.bucketCount
    for bucket in 0..<Self.bucketCount where reached[first + bucket] > 0 { return true }
    return false
  }

  private mutating func fade() {
    observedCount /= 2
    for cell in 0..<(ReuseClass.count * Self.bucketCount) {
      reached[cell] /= 2
      used[cell] /= 2
    }
  }
}
