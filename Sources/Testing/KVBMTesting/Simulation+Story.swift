import BlockEngine

/// What happened in words, for a run that was shrunk.
extension Simulation {
  /// Adds a line where somebody listens.
  mutating func tell(_ line: @autoclosure () -> String) {
    if plan.isTold { story.append("step \(step): \(line())") }
  }

  /// The lines since the last call.
  mutating func takeStory() -> [String] {
    defer { story = [] }
    return story
  }

  /// Counts a mishap, unless the plan leaves its kind out.
  ///
  /// - Returns: Whether it happens.
  mutating func strikes(_ kind: Mishap) -> Bool {
    guard plan.mishaps.contains(kind) else { return false }
    tally.mishaps[kind] += 1
    return true
  }

  /// As above, once in `count` times; the dice are thrown either way.
  mutating func strikes(_ kind: Mishap, oneIn count: Int) -> Bool {
    random.oneIn(count) && strikes(kind)
  }
}

extension OperationID {
  /// Its entry and use, without the epoch: `entry.generation`.
  var words: String { "operation \(rawValue & 0xffff).\(rawValue >> 16 & 0xffff_ffff)" }
}

extension RequestID {
  /// `engine.number`.
  var words: String { "request \(engine.rawValue).\(number)" }
}

extension BlockRecord {
  /// Where it belongs in its sequence, and the beginning of its key.
  var words: String {
    "block \(position) of group \(group), namespace \(namespace.rawValue) "
      + "(\(key.description.prefix(6)))"
  }
}

extension BlockRef {
  /// Tier, class and slot.
  var words: String { "\(tier) slot \(block) of class \(classID.rawValue)" }
}
