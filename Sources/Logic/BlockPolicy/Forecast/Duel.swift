/// Sees to it that a forecast is not followed where plain policies do better.
///
/// On a sample of the blocks, two shadow caches of the same relative size play LRU and LFU. Where
/// one of them has more hits than the pool itself, the pool follows that rule for some time, and
/// then tries the forecast again; each trial that fails makes the next one later.
struct Duel: ~Copyable {
  /// By what rule victims are chosen.
  enum Rule: UInt8 {
    case forecast, lru, lfu
  }

  /// The rule to follow now.
  private(set) var rule = Rule.forecast
  private var lru: ShadowCache
  private var lfu: ShadowCache
  /// Blocks whose tag has these bits 0 are in the sample.
  private let sampleMask: UInt32
  private let roundLength: Int
  private var seenCount = 0
  /// Hits in this round and, fading, those before: ours, LRU's, LFU's.
  private var hits: (own: Float, lru: Float, lfu: Float) = (0, 0, 0)
  /// Rounds until the rule is judged.
  private var restCount = 2
  /// Rounds for which the forecast is left alone after it lost.
  private var penaltyCount = 4

  private static let namesMax = 1 << 11
  private static let levelCount = 64
  private static let roundMin = 2048
  /// What is left of a round's hits after another.
  private static let fading: Float = 0.875
  private static let penaltyMax = 256

  /// A duel beside a pool of that capacity.
  init(capacity: Int) {
    var shift: UInt32 = 0
    while capacity >> Int(shift) > Self.namesMax { shift += 1 }
    let names = max(1, capacity >> Int(shift))
    sampleMask = (1 << shift - 1) << 8
    lru = ShadowCache(capacity: names, levelCount: 1)
    lfu = ShadowCache(capacity: names, levelCount: Self.levelCount)
    roundLength = max(Self.roundMin, names * 2)
  }

  /// Whether the block's uses are to be noted.
  @inline(__always)
  func isSampled(_ tag: UInt32) -> Bool { tag & sampleMask == 0 }

  /// A block of the sample was used; `isHit` says whether the pool had it.
  mutating func note(_ tag: UInt32, isHit: Bool) {
    if isHit { hits.own += 1 }
    if lru.use(tag) { hits.lru += 1 }
    if lfu.use(tag) { hits.lfu += 1 }
    seenCount += 1
    if seenCount == roundLength { judge() }
  }

  private mutating func judge() {
    seenCount = 0
    restCount -= 1
    if restCount <= 0 { choose() }
    hits = (hits.own * Self.fading, hits.lru * Self.fading, hits.lfu * Self.fading)
  }

  private mutating func choose() {
    let plain = max(hits.lru, hits.lfu)
    let better: Rule = hits.lru >= hits.lfu ? .lru : .lfu
    switch rule {
    case .forecast:
      // A difference that chance makes is none.
      guard plain > hits.own + 2 * plain.squareRoot() else { return }
      rule = better
      restCount = penaltyCount
      penaltyCount = min(Self.penaltyMax, penaltyCount * 3)
    case .lru, .lfu:
      rule = .forecast
      restCount = 3
    }
    hits = (0, 0, 0)
  }
}
