import BlockPolicy

/// What tiers have of a sequence's block, and what it is worth there.
public struct Holding: Equatable, Sendable {
  /// Its place in the sequence.
  public var position: Int
  /// What it is worth in each tier; nil where it is not.
  public var host: Retention?
  public var disk: Retention?
  /// Until when it is pinned in host memory, in nanoseconds; nil when it is not.
  public var pinEnd: UInt64?

  /// A block of that position that is nowhere.
  init(position: Int) { self.position = position }
}

extension BlockEngine {
  /// What tiers have of a sequence, from its first block to that of a key; changes nothing.
  ///
  /// Of the first group that needs all blocks of a prefix, or else of the first.
  ///
  /// - Returns: In order of position; empty when the last one is nowhere, and from the block behind
  ///   one that is nowhere on.
  /// - Complexity: O(blocks before it).
  public func holdings(endingWith key: BlockKey, in namespace: NamespaceID) -> [Holding] {
    let number = Int(namespace.rawValue)
    guard number < namespaces.count, !namespaces[number].isEmpty else { return [] }
    let group = namespaces[number].firstIndex { $0.windowBlocks == nil } ?? 0
    let classID = namespaces[number][group].classID
    var name = key.inGroup(group)
    var found: [Holding] = []
    var position = Int.max
    while position > 0, let record = registeredRecord(name, classID),
      // Keys come from outside, and nothing but their positions says that they lead to an end.
      Int(record.position) < position
    {
      position = Int(record.position)
      var holding = Holding(position: position)
      if let block = pools[.host, classID].pool.block(for: name) {
        holding.host = pools[.host, classID].pool.retention(of: block)
        holding.pinEnd = pinEnd(of: BlockRef(tier: .host, classID: classID, block: block))
      }
      if let block = pools[.disk, classID].pool.block(for: name) {
        holding.disk = pools[.disk, classID].pool.retention(of: block)
      }
      found.append(holding)
      name = record.parentIndexKey
    }
    return found.reversed()
  }

  /// The record of a block that is in some tier.
  func registeredRecord(_ name: BlockKey, _ classID: ClassID) -> BlockRecord? {
    for tier in Tier.allCases {
      if let block = pools[tier, classID].pool.block(for: name) {
        return pools[tier, classID].records[block.slot]
      }
    }
    return nil
  }

  /// Whether as many blocks of a namespace's slot class are above normal in a tier as may be.
  public func isFullAboveNormal(_ tier: Tier, in namespace: NamespaceID) -> Bool {
    classes(of: namespace).contains { classID in
      guard tenants.isDivided else {
        return retainedCount(tier, classID) >= retainedLimit(tier, classID)
      }
      return tenants.tenants.contains {
        retainedCount(tier, classID, of: $0) >= retainedLimit(tier, classID, of: $0)
      }
    }
  }

  /// Whether as many of its host blocks are pinned as may be.
  public func isFullOfPins(in namespace: NamespaceID) -> Bool {
    classes(of: namespace).contains { pinnedCount($0) >= pinnedLimit($0) }
  }

  private func classes(of namespace: NamespaceID) -> [ClassID] {
    let number = Int(namespace.rawValue)
    return number < namespaces.count ? namespaces[number].map(\.classID) : []
  }
}
