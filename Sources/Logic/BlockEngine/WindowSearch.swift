/// Finds prefixes that have what every windowed group needs: from the longest down, each block
/// looked at once.
struct WindowSearch {
  private struct Window {
    let group: Int
    let blockCount: Int
    /// From here up to the last length that was looked at no block is missing.
    var clearFrom = Int.max
  }

  private var windows: [Window] = []

  init(_ groups: [GroupPlace]) {
    for (group, place) in groups.enumerated() {
      if let count = place.windowBlocks { windows.append(Window(group: group, blockCount: count)) }
    }
  }

  /// The longest prefix of at most `limit` blocks whose windows are complete; not more than the
  /// limit of the call before.
  ///
  /// - Parameter has: Whether a group's block is there, by its index in the sequence.
  mutating func longest(upTo limit: Int, _ has: (_ group: Int, _ index: Int) -> Bool) -> Int {
    var count = limit
    var (turn, agreedCount) = (0, 0)
    while agreedCount < windows.count && count > 0 {
      let gap = gap(in: turn, before: count, has)
      // No prefix that ends up to a window's length behind the gap can do.
      if let gap { count = gap }
      agreedCount = gap == nil ? agreedCount + 1 : 0
      turn = (turn + 1) % windows.count
    }
    return count
  }

  /// The last block that the window of a prefix of `count` blocks lacks.
  private mutating func gap(
    in turn: Int, before count: Int, _ has: (_ group: Int, _ index: Int) -> Bool
  ) -> Int? {
    let first = max(0, count - windows[turn].blockCount)
    var index = min(windows[turn].clearFrom, count)
    defer { windows[turn].clearFrom = index }
    while index > first {
      guard has(windows[turn].group, index - 1) else { return index - 1 }
      index -= 1
    }
    return nil
  }
}
