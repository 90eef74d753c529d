/// Prefixes of which some groups need only the last blocks.
extension BlockEngine {
  /// The longest ready prefix within the one that all full groups have, and the blocks that it
  /// needs.
  ///
  /// - Parameter fullRows: `[full group][position]`, `fullCount` positions each.
  func narrow(
    _ walk: Walk, _ keys: Span<BlockKey>, fullCount: Int, fullRows: [BlockID]
  ) -> Promise {
    var search = WindowSearch(walk.groups)
    let count = search.longest(upTo: fullCount) { group, index in
      bugs.contains(.ignoreHole)
        || pools[.host, walk.groups[group].classID].pool.contains(keys[index].inGroup(group))
    }
    var promise = Promise(first: walk.firstPosition, count: count)
    var fullStart = 0
    for (group, place) in walk.groups.enumerated() {
      guard place.windowBlocks != nil else {
        promise.blocks += fullRows[fullStart..<(fullStart + count)]
        fullStart += fullCount
        continue
      }
      for index in (count - place.neededCount(of: count))..<count {
        let name = keys[index].inGroup(group)
        let block = pools[.host, place.classID].pool.block(for: name)
        let substitute = bugs.contains(.ignoreHole) ? promise.blocks.last : nil
        // It was there a moment ago; no block at all would be refused when it is pinned.
        promise.blocks.append(block ?? substitute ?? .none)
      }
    }
    return promise
  }
}
