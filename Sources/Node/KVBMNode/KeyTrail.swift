import BlockIdentity

/// Some keys of a sequence, from which the others are found by their parents.
///
/// Every key at first, then every second, and so on: bounded however long the sequence is. Should
/// its end have left the tiers, what is before it is found from an earlier key.
struct KeyTrail {
  private static let capacity = 64

  private var marks: [(position: Int, key: BlockKey)] = []
  private var stride = 1
  /// The deepest key, whatever the stride.
  private var last: (position: Int, key: BlockKey)?

  /// Adds keys that are deeper than those before; others are passed over.
  mutating func note(_ keys: some Collection<BlockKey>, from first: Int) {
    for (position, key) in zip(first..., keys) where position > last?.position ?? -1 {
      last = (position, key)
      guard position % stride == 0 else { continue }
      marks.append((position, key))
      guard marks.count > Self.capacity else { continue }
      stride *= 2
      marks.removeAll { $0.position % stride != 0 }
    }
  }

  /// The keys, the deepest first.
  var keys: [BlockKey] { [last].compactMap(\.?.key) + marks.reversed().map(\.key) }
}
