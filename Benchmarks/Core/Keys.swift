import BlockIdentity

/// Keys from tokens.
enum Keys {
  static func rows() -> [Row] {
    [16, 32].map(hashing)
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

  /// Keeps the optimiser from dropping what is measured.
  nonisolated(unsafe) static var sink: UInt64 = 0
}
