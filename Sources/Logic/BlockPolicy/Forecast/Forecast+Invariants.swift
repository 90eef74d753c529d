extension Forecast {
  /// Throws unless exactly the cached slots are candidates, each in its list, and children are
  /// counted right.
  ///
  /// - Complexity: O(capacity).
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var count = 0
    // A class that has no rank can have no candidate: all that are listed are counted below.
    for list in ranking.all.map(\.index) + [Self.parkedList] {
      let isParked = list == Self.parkedList
      try order.forEach(in: list) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a candidate is not cached")
        try require(nodes[slot].isParked == isParked, "a block is parked, or not, in vain")
        let mayWait = nodes[slot].childCount > 0 || slot == freed
        try require(!isParked || mayWait, "a leaf is parked, and nothing will free it")
        try require(isParked || nodes[slot].reuse.index == list, "a block is in the wrong list")
        count += 1
      }
    }
    try require(count == cachedCount, "\(count) candidates for \(cachedCount) cached blocks")
    var listed = 0
    var children = 0
    var counted = 0
    for position in 0..<nodes.count {
      if order.isListed(Slot(index: position)) { listed += 1 }
      if isCurrent(nodes[position].parent) { children += 1 }
      counted += Int(nodes[position].childCount)
    }
    try require(listed == count, "\(listed) blocks in lists, \(count) of them candidates")
    try require(children == counted, "\(children) children, \(counted) counted by their parents")
  }
}
