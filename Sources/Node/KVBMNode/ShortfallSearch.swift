import BlockEngine

/// Finds the block that keeps a request's prefix from being longer: the one to speak of, and whose
/// absence is a fact, where a longer prefix may lack several.
struct ShortfallSearch {
  /// By group: the last blocks of a prefix that it needs; nil for all.
  let windows: [Int?]

  /// A block by its group and its index among the keys.
  typealias Place = (group: Int, index: Int)
  /// Where a group's block is.
  typealias Lookup = (_ group: Int, _ index: Int) -> Presence

  /// What a prefix of more than `coveredCount` of `askedCount` blocks lacks. There must be more.
  ///
  /// - Complexity: O(groups × (log `askedCount` + longest window)), and at most 1,024 blocks a
  ///   group where nothing of that is missing.
  func place(coveredCount: Int, askedCount: Int, _ presence: Lookup) -> Place {
    let full = windows.indices.filter { windows[$0] == nil }
    if let group = full.first(where: { presence($0, coveredCount).isEmpty }) {
      return (group, coveredCount)
    }
    let count = targetCount(coveredCount: coveredCount, askedCount: askedCount, full, presence)
    if let gap = lastInWindows(of: count, presence, where: { $0.isEmpty }) { return gap }
    // All of that is somewhere: something is not in host memory, or a full group has a hole.
    let behind = coveredCount..<min(count, coveredCount + Self.windowMax)
    for group in full {
      if let index = behind.first(where: { !presence(group, $0).contains(.host) }) {
        return (group, index)
      }
    }
    return lastInWindows(of: count, presence) { !$0.contains(.host) }
      ?? (full.first ?? 0, coveredCount)
  }

  private static let stepsMax = 64
  private static let windowMax = 1_024

  /// The longer prefix that comes closest: as far as the full groups go, and back from there to
  /// where a window could end.
  private func targetCount(
    coveredCount: Int, askedCount: Int, _ full: [Int], _ presence: Lookup
  ) -> Int {
    let sliding = windows.indices.filter { windows[$0] != nil }
    let knownCount =
      full.isEmpty ? askedCount : knownCount(coveredCount, askedCount, full, presence)
    guard !sliding.isEmpty else { return knownCount }
    var count = knownCount
    while count > coveredCount, knownCount - count < Self.stepsMax {
      if sliding.allSatisfy({ !presence($0, count - 1).isEmpty }) { return count }
      count -= 1
    }
    return full.isEmpty ? coveredCount + 1 : knownCount
  }

  /// How far the full groups are known, at least one block more than is covered. By halves, since
  /// most prefixes have no holes.
  private func knownCount(
    _ coveredCount: Int, _ askedCount: Int, _ full: [Int], _ presence: Lookup
  ) -> Int {
    var (known, beyond) = (coveredCount + 1, askedCount + 1)
    while beyond - known > 1 {
      let middle = (known + beyond) / 2
      let isKnown = full.allSatisfy { !presence($0, middle - 1).isEmpty }
      if isKnown { known = middle } else { beyond = middle }
    }
    return known
  }

  /// The last block of the windows of a prefix for which `isMeant` holds.
  private func lastInWindows(
    of count: Int, _ presence: Lookup, where isMeant: (Presence) -> Bool
  ) -> Place? {
    var found: Place?
    for (group, window) in windows.enumerated() {
      guard let window else { continue }
      let needed = max(0, count - min(window, Self.windowMax))..<count
      let index = needed.last { isMeant(presence(group, $0)) }
      if let index, index > found?.index ?? -1 { found = (group, index) }
    }
    return found
  }
}
