import BlockIdentity

/// The keys of the blocks that a benchmark stores, by number: well mixed, and made on the spot.
enum KeyStream {
  @inline(__always)
  static func key(_ number: Int) -> BlockKey {
    var word = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    word ^= word >> 31
    return BlockKey(high: ~word, low: word)
  }
}

/// Numbers from a seed, cheap enough to be drawn inside a measurement.
struct Dice {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// A number in `0..<bound`.
  @inline(__always)
  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 32).multipliedFullWidth(by: UInt64(bound) << 32).high)
  }
}
