/// The blocks of a ready prefix that are pinned for a request: of each group, those that a prefix
/// of this length needs.
///
/// Only this type knows how they lie.
struct Promise {
  /// The prefix's first position, and how many there are from there on.
  var first = 0
  var count = 0
  /// `[group][position]`; a group's row has the last of the `count` positions that the group needs.
  var blocks: [BlockID] = []

  var isEmpty: Bool { blocks.isEmpty }

  /// Where the groups' rows are in `blocks`.
  func rows(_ groups: [GroupPlace]) -> [Range<Int>] {
    var start = 0
    return groups.map { place in
      let row = start..<(start + place.neededCount(of: count))
      start = row.upperBound
      return row
    }
  }

  /// The block of a group's last position; there must be one.
  func lastBlock(of group: Int, _ groups: [GroupPlace]) -> BlockID {
    blocks[rows(groups)[group].upperBound - 1]
  }
}

extension GroupPlace {
  /// How many of the last blocks of a prefix of `count` blocks must be there to go on behind it.
  func neededCount(of count: Int) -> Int { min(count, windowBlocks ?? count) }

  /// With a window that is wrong, for a simulation to find.
  var shortened: GroupPlace {
    GroupPlace(
      classID: classID, partCount: partCount, windowBlocks: windowBlocks.map { max(1, $0 - 1) })
  }
}

extension [GroupPlace] {
  /// Whether a prefix of some length does not need all its blocks.
  var hasWindow: Bool { contains { $0.windowBlocks != nil } }
}
