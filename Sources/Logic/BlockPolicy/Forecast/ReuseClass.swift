/// What a block's last use says about its next one: blocks of one class are expected to behave
/// alike.
///
/// Six kinds, each with what tells its blocks apart:
///
/// | kind | blocks | told apart by |
/// |---|---|---|
/// | turn | that one request used last | what was new of it, turns of its conversation, last gap |
/// | single | requests of one block | uses, last gap |
/// | trunk | from the start to where sequences part | uses, last gap |
/// | end | the last of a request, which is often cut off within a block | turns |
/// | adopted | that were there after a restart and were not used since | |
/// | resting | whose request goes on: nothing is learnt from these | |
///
/// Classes belong to groups, and a class that has seen little is judged by its group.
struct ReuseClass: Equatable, BitwiseCopyable {
  /// The class's number, `0..<count`.
  let rawValue: UInt16

  @inline(__always)
  var index: Int { Int(rawValue) }

  @inline(__always)
  init(index: Int) { rawValue = UInt16(truncatingIfNeeded: index) }

  private static let lengthCount = 8
  private static let levelCount = 8
  private static let gapCount = 10

  private static let firstSingle = lengthCount * levelCount * gapCount
  private static let firstTrunk = firstSingle + levelCount * gapCount
  private static let firstEnd = firstTrunk + levelCount * gapCount
  /// How many classes there are.
  static let count = firstEnd + levelCount + 2

  /// A request's own blocks.
  @inline(__always)
  static func turn(_ turn: Int, newCount: Int, gap: Int) -> ReuseClass {
    let length = min(lengthCount - 1, ceilingLog2(newCount))
    return ReuseClass(index: (length * levelCount + level(turn)) * gapCount + gap)
  }

  /// The block of a request that has no other.
  @inline(__always)
  static func single(uses: Int, gap: Int) -> ReuseClass {
    ReuseClass(index: firstSingle + level(uses - 1) * gapCount + gap)
  }

  /// A block that several sequences go through.
  @inline(__always)
  static func trunk(uses: Int, gap: Int) -> ReuseClass {
    ReuseClass(index: firstTrunk + level(uses - 1) * gapCount + gap)
  }

  /// The last block of a request.
  @inline(__always)
  static func end(_ turn: Int) -> ReuseClass {
    ReuseClass(index: firstEnd + level(turn))
  }

  /// A block from before a restart.
  static var adopted: ReuseClass { ReuseClass(index: count - 2) }

  /// A block whose request goes on.
  static var resting: ReuseClass { ReuseClass(index: count - 1) }

  /// The level of the time between two uses: 0 without an earlier one, then one an octave, of which
  /// the middle one begins at `scale` octaves of ticks.
  @inline(__always)
  static func gapLevel(_ ticks: UInt32, scale: Int) -> Int {
    let octave = UInt32.bitWidth - 1 - ticks.leadingZeroBitCount
    return min(gapCount - 1, max(1, octave - scale + gapCount / 2))
  }

  /// The level of a count: 0, 1, 2, 3, 4–7, 8–15, 16–31, and more.
  @inline(__always)
  private static func level(_ count: Int) -> Int {
    count < 4 ? max(0, count) : min(levelCount - 1, Int.bitWidth - count.leadingZeroBitCount + 1)
  }

  /// The level of the block's uses, or of the turns of its conversation.
  var useLevel: Int {
    if index >= Self.count - 2 { return 0 }
    return index >= Self.firstEnd ? index - Self.firstEnd : index / Self.gapCount % Self.levelCount
  }

  @inline(__always)
  private static func ceilingLog2(_ number: Int) -> Int {
    number <= 1 ? 0 : Int.bitWidth - (number - 1).leadingZeroBitCount
  }
}

extension ReuseClass {
  /// How many classes and groups there are; groups come behind the classes, each before those that
  /// belong to it.
  static let nodeCount =
    count + 5 + lengthCount * (1 + coarseCount * (1 + gapCount)) + 2 * levelCount

  /// Turns are told apart this far at first: the later ones are rare.
  private static let coarseCount = 4

  /// By class and group: the group that it belongs to, or itself for the five kinds.
  static func groups() -> [Int] {
    var groups = [Int](repeating: 0, count: nodeCount)
    let kinds = count..<count + 5
    for kind in kinds { groups[kind] = kind }
    var next = kinds.upperBound
    func add(under group: Int) -> Int {
      groups[next] = group
      next += 1
      return next - 1
    }
    for length in 0..<lengthCount {
      let ofLength = add(under: count)
      for coarse in 0..<coarseCount {
        let ofTurn = add(under: ofLength)
        for gap in 0..<gapCount {
          let ofGap = add(under: ofTurn)
          for turn in coarse..<(coarse == coarseCount - 1 ? levelCount : coarse + 1) {
            groups[(length * levelCount + turn) * gapCount + gap] = ofGap
          }
        }
      }
    }
    for (kind, first) in [(count + 1, firstSingle), (count + 2, firstTrunk)] {
      for level in 0..<levelCount {
        let group = add(under: kind)
        for gap in 0..<gapCount { groups[first + level * gapCount + gap] = group }
      }
    }
    for level in 0..<levelCount { groups[firstEnd + level] = count + 3 }
    groups[adopted.index] = count + 4
    groups[resting.index] = count + 4
    return groups
  }
}
