import BlockIdentity

extension Trace {
  /// The most hits that any policy can have with so many blocks, knowing the future.
  ///
  /// Belady's rule, with the right not to store: what is needed again last goes, and of equals the
  /// one deeper in its sequence. A block is needed no later than those behind it, so a prefix is
  /// never broken and the prefix rule costs nothing.
  ///
  /// - Complexity: O(`blockCount` · log `capacity`).
  public func optimalHitCount(capacity: Int) -> Int {
    let (numbers, distinctCount) = numbered()
    let uses = nextUses(numbers, distinctCount)
    var isKept = [Bool](repeating: false, count: distinctCount)
    var keptUntil = [UInt64](repeating: 0, count: distinctCount)
    var latest = MaximumHeap()
    var keptCount = 0
    var hitCount = 0
    for request in 0..<requestCount {
      for place in range(of: request) {
        let block = Int(numbers[place])
        if isKept[block] { hitCount += 1 } else { keptCount += 1 }
        isKept[block] = uses[place] != .max
        if uses[place] == .max { keptCount -= 1 }
        keptUntil[block] = uses[place]
        if isKept[block] { latest.insert((uses[place], Int32(block))) }
      }
      while keptCount > capacity, let top = latest.removeMaximum() {
        // Entries of earlier uses are left behind in the heap.
        let block = Int(top.1)
        guard isKept[block], keptUntil[block] == top.0 else { continue }
        isKept[block] = false
        keptCount -= 1
      }
    }
    return hitCount
  }

  /// By place: the request that needs the block next, then how deep it lies there; `max` for none.
  private func nextUses(_ numbers: [Int32], _ distinctCount: Int) -> [UInt64] {
    var next = [UInt64](repeating: .max, count: distinctCount)
    var uses = [UInt64](repeating: .max, count: numbers.count)
    for request in (0..<requestCount).reversed() {
      let range = range(of: request)
      for place in range { uses[place] = next[Int(numbers[place])] }
      for place in range {
        next[Int(numbers[place])] = UInt64(request) << 32 | UInt64(place - range.lowerBound)
      }
    }
    return uses
  }
}

/// The greatest pair on top.
private struct MaximumHeap {
  private var items: [(UInt64, Int32)] = []

  mutating func insert(_ item: (UInt64, Int32)) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[(child - 1) / 2].0 < items[child].0 {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeMaximum() -> (UInt64, Int32)? {
    guard let top = items.first, let last = items.popLast() else { return nil }
    guard !items.isEmpty else { return top }
    items[0] = last
    var parent = 0
    while 2 * parent + 1 < items.count {
      var child = 2 * parent + 1
      if child + 1 < items.count, items[child].0 < items[child + 1].0 { child += 1 }
      guard items[parent].0 < items[child].0 else { break }
      items.swapAt(parent, child)
      parent = child
    }
    return top
  }
}
