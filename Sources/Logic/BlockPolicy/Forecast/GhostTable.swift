/// What is remembered of blocks that have left, for when they come again.
///
/// Sets of four, by the key's tag; in a full set what was used longest ago gives way. Two keys with
/// one tag are taken for the same, which makes a forecast wrong, and nothing else.
struct GhostTable: ~Copyable {
  /// A block that has left.
  struct Ghost: BitwiseCopyable {
    /// From its key; 0 in an empty place.
    var tag: UInt32
    /// What was known of it.
    var past: BlockPast
  }

  private let ghosts: Column<Ghost>
  private let mask: UInt32

  private static let setSize = 4

  /// A table for about so many ghosts.
  init(capacity: Int) {
    var setCount = 1
    while setCount * Self.setSize < capacity { setCount *= 2 }
    ghosts = Column(zeroed: setCount * Self.setSize)
    mask = UInt32(truncatingIfNeeded: setCount - 1)
  }

  deinit { ghosts.deallocate() }

  @inline(__always)
  private func first(_ tag: UInt32) -> Int { Int((tag >> 4) & mask) * Self.setSize }

  /// Begins to bring near what is remembered of a key.
  @inline(__always)
  func prefetch(_ tag: UInt32) { ghosts.prefetch(first(tag)) }

  /// Remembers a block.
  @inline(__always)
  mutating func insert(_ tag: UInt32, _ past: BlockPast, at now: UInt32) {
    var chosen = first(tag)
    for place in chosen..<(chosen + Self.setSize) {
      if ghosts[place].tag == 0 || ghosts[place].tag == tag {
        chosen = place
        break
      }
      if now &- ghosts[place].past.lastUse > now &- ghosts[chosen].past.lastUse { chosen = place }
    }
    ghosts[chosen] = Ghost(tag: tag, past: past)
  }

  /// What is remembered of a key.
  @inline(__always)
  func find(_ tag: UInt32) -> BlockPast? {
    let first = first(tag)
    for place in first..<(first + Self.setSize) where ghosts[place].tag == tag {
      return ghosts[place].past
    }
    return nil
  }

  /// Gives back what is remembered of a key, and forgets it.
  @inline(__always)
  mutating func take(_ tag: UInt32) -> BlockPast? {
    let first = first(tag)
    for place in first..<(first + Self.setSize) where ghosts[place].tag == tag {
      ghosts[place].tag = 0
      return ghosts[place].past
    }
    return nil
  }
}
