import BlockEngine

/// What every byte should be: the naive model that the engine is held against.
///
/// A prompt is a walk down a small tree, so that prompts share prefixes; a block's bytes follow
/// from its key, its namespace, its group and the rank that writes them. Every part is one word.
enum Truth {
  static let lengthMax = 6

  /// The root of a namespace's sequences.
  static func root(ofNamespace number: Int) -> BlockKey {
    let low = Random.mix(UInt64(number) &+ 0x5EED)
    return BlockKey(high: ~low, low: low)
  }

  /// The keys of a random prompt of 1...`lengthMax` blocks.
  ///
  /// - Parameter isNarrow: Prompts are longer and part late, so that they meet beyond a window.
  static func prompt(
    after root: BlockKey, isNarrow: Bool, lengthMax: Int, _ random: inout Random
  ) -> [BlockKey] {
    var keys: [BlockKey] = []
    var parent = root.low
    let length = 1 + random.below(lengthMax)
    for _ in 0..<(isNarrow ? max(length, 1 + random.below(lengthMax)) : length) {
      // Usually the first branch, so that prompts meet often.
      let rootBranch = keys.isEmpty ? random.below(3) : 0
      let branch = UInt64(isNarrow ? random.below(8) / 7 : random.below(4) / 2 + rootBranch)
      let low = Random.mix(parent &* 8 &+ branch &+ 1)
      keys.append(BlockKey(high: Random.mix(low), low: low))
      parent = low
    }
    return keys
  }

  /// The bytes of one part of a block.
  static func bytes(_ record: BlockRecord, part: Int) -> UInt64 {
    Random.mix(
      record.key.high ^ UInt64(record.group) << 32 ^ UInt64(record.namespace.rawValue) << 40
        ^ UInt64(part + 1))
  }

  /// What a disk slot's header says about its parts.
  static func checksum(_ record: BlockRecord, _ parts: [UInt64]) -> UInt64 {
    parts.reduce(Random.mix(record.key.low ^ UInt64(record.group))) { Random.mix($0 ^ $1) }
  }
}
