import BlockPolicy

/// What a request says of a range of its blocks.
public struct RetentionRange: Hashable, Sendable {
  /// The range, in positions of the request's sequence; `Int.max` as its end for all that follow.
  public var positions: Range<Int>
  /// 0...100; 50 is that of blocks of which nothing is said.
  public var priority: UInt8
  /// How long the blocks have it after they were offered or loaded last; `.max` for ever.
  public var nanoseconds: UInt64
  /// Whether they are pinned for that long, which must not be for ever then.
  public var isPinned: Bool

  /// A range as given.
  public init(
    positions: Range<Int>, priority: UInt8, nanoseconds: UInt64 = .max, isPinned: Bool = false
  ) {
    self.positions = positions
    self.priority = priority
    self.nanoseconds = nanoseconds
    self.isPinned = isPinned
  }
}

/// What a request's blocks are worth, by position.
///
/// A prefix is worth what goes on behind it, so a position is worth the most of what is said of it
/// and of all behind it. Of positions in no range nothing is said: they are normal.
struct RequestRetention {
  /// What is worth the same, up to a position.
  struct Step {
    let end: Int
    /// With the time from the offer on in place of its end.
    var worth: Retention
    var pinNanoseconds: UInt64
  }

  /// In order; the last one has no end.
  private var steps: [Step]

  /// - Parameter isPlain: For a simulation to find: what is behind a position does not matter.
  /// - Complexity: O(n²) of the ranges, which are few.
  init(_ ranges: [RetentionRange], isPlain: Bool = false) {
    let bounds = Set(
      ranges.flatMap { [$0.positions.lowerBound, $0.positions.upperBound] } + [.max])
    var first = 0
    steps = bounds.sorted().filter { $0 > 0 }.map { end in
      defer { first = end }
      let said = ranges.filter { $0.positions.contains(first) }
      let worth = said.map { Retention(priority: $0.priority, until: $0.nanoseconds) }
      let pins = said.filter { $0.isPinned && $0.nanoseconds < .max }
      return Step(
        end: end, worth: worth.dropFirst().reduce(worth.first ?? .normal) { $0.merged(with: $1) },
        pinNanoseconds: pins.map(\.nanoseconds).max() ?? 0)
    }
    if isPlain { return }
    for index in steps.indices.dropLast().reversed() {
      steps[index].worth = steps[index].worth.merged(with: steps[index + 1].worth)
      steps[index].pinNanoseconds = max(
        steps[index].pinNanoseconds, steps[index + 1].pinNanoseconds)
    }
  }

  /// What the block at a position is worth to the request, from now on.
  func claim(at position: Int, _ now: Time) -> Claim {
    let step = steps.first { position < $0.end } ?? steps[steps.count - 1]
    let isForever = step.worth.until == .max
    return Claim(
      worth: Retention(
        priority: step.worth.priority,
        until: isForever ? .max : (now + step.worth.until).nanoseconds),
      pinnedUntil: step.pinNanoseconds == 0
        ? 0 : (now + step.pinNanoseconds).nanoseconds)
  }
}

/// What a block is worth to somebody.
struct Claim: Equatable {
  var worth: Retention
  /// Until when it is to be pinned; 0 for not at all.
  var pinnedUntil: UInt64

  /// That of whoever says nothing.
  static let normal = Claim(worth: .normal, pinnedUntil: 0)

  var isNormal: Bool { worth.level == .normal && pinnedUntil == 0 }

  func merged(with other: Claim) -> Claim {
    Claim(
      worth: worth.merged(with: other.worth), pinnedUntil: max(pinnedUntil, other.pinnedUntil))
  }
}
