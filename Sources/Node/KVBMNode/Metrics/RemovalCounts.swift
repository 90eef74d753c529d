import BlockEngine

/// How many blocks left each tier, by reason. Only ever rises.
struct RemovalCounts {
  private var counts: [Int] = Array(
    repeating: 0, count: Tier.allCases.count * RemovalReason.allCases.count)

  /// A block has left.
  mutating func note(_ tier: Tier, _ reason: RemovalReason) {
    counts[Self.place(tier, reason)] += 1
  }

  /// How many have.
  subscript(_ tier: Tier, _ reason: RemovalReason) -> Int { counts[Self.place(tier, reason)] }

  private static func place(_ tier: Tier, _ reason: RemovalReason) -> Int {
    Int(tier.rawValue) * RemovalReason.allCases.count + Int(reason.rawValue)
  }
}
