extension Forecast {
  /// Throws unless exactly the cached slots are candidates, each in its list, and children are
  /// counted right.
  ///
  /// - Complexity: O(capacity).
  public func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var count = 0
    for list in 0...Self.parkedList {
      let isParked = list == Self.parkedList
      var isEmpty = true
      try order.forEach(in: list) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a candidate is not cached")
        try require(nodes[slot].isParked == isParked, "a block is parked, or not, in vain")
        try require(isParked || nodes[slot].reuse.index == list, "a block is in the wrong list")
        isEmpty = false
        count += 1
      }
      let isRanked = !isParked && ranking.isRanked(ReuseClass(index: list))
      try require(isParked || isEmpty || isRanked, "a class with candidates has no rank")
    }
    try require(count == cachedCount, "\(count) candidates for \(cachedCount) cached blocks")
    var children = 0
    var counted = 0
    for position in 0..<nodes.count {
      if isCurrent(nodes[position].parent) { children += 1 }
      counted += Int(nodes[position].childCount)
    }
    try require(children == counted, "\(children) children, \(counted) counted by their parents")
  }
}
