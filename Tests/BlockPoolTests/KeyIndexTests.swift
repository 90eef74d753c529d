import Testing

@testable import BlockPool

/// Keys that are made to meet: the table is sparse, and keys that are hashes rarely do.
@Suite("KeyIndex")
struct KeyIndexTests {
  private static let seed: UInt64 = 11

  /// A key whose hash is `tag`; `number` tells it from others of that hash.
  private static func key(tag: UInt32, number: Int) -> BlockKey {
    // The inverse of the index's odd factor, by Newton's method: 3 bits are right to begin with.
    let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
    var inverse = factor
    for _ in 0..<5 { inverse = inverse &* (2 &- factor &* inverse) }
    return BlockKey(high: UInt64(number + 1), low: (UInt64(tag) << 32 &* inverse) ^ seed)
  }

  @Test("Keys that meet, also round the end of the table, are all found", arguments: 1...8)
  func collisions(round: Int) throws {
    let capacity = 96
    var index = KeyIndex(capacity: capacity, seed: Self.seed)
    var random = Dice(state: UInt64(round))
    // Most hashes lead to the last entries, the rest to the first and anywhere.
    let tags = (0..<6).map { UInt32.max - UInt32($0) << 23 } + [0, 1 << 24, 1 << 31]
    let keys = (0..<capacity).map { slot in
      Self.key(tag: tags[random.below(tags.count)], number: slot)
    }
    var present: Set<Int> = []
    for _ in 0..<4000 {
      let slot = random.below(capacity)
      if present.remove(slot) != nil {
        #expect(index.remove(Slot(index: slot)) == keys[slot])
      } else {
        index.reserve(present.count + 1)
        index.insert(keys[slot], at: Slot(index: slot))
        present.insert(slot)
      }
      try index.checkInvariants()
      for other in 0..<capacity {
        let expected = present.contains(other) ? Slot(index: other) : nil
        try #require(index.find(keys[other]) == expected, "slot \(other), round \(round)")
      }
    }
  }

  @Test("A bucket that more keys have passed than it can count loses none of them")
  func longCollisions() throws {
    let capacity = 400
    var index = KeyIndex(capacity: capacity, seed: Self.seed)
    index.reserve(capacity)
    let keys = (0..<capacity).map { Self.key(tag: 0, number: $0) }
    for round in 0..<3 {
      for slot in 0..<capacity where slot % (round + 1) == 0 {
        index.insert(keys[slot], at: Slot(index: slot))
      }
      try index.checkInvariants()
      for slot in 0..<capacity {
        let expected = slot % (round + 1) == 0 ? Slot(index: slot) : nil
        #expect(index.find(keys[slot]) == expected)
      }
      for slot in 0..<capacity where slot % (round + 1) == 0 {
        #expect(index.remove(Slot(index: slot)) == keys[slot])
      }
      #expect(index.find(keys[0]) == nil)
      try index.checkInvariants()
    }
  }

  private struct Dice {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
  }
}
