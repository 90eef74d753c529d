/// The classes that have candidates, and what the first candidate of each is worth.
struct ClassRanking: ~Copyable {
  private let worths: Column<Float>
  private let classes: Column<ReuseClass>
  /// By class: its place in the other two plus one; 0 when it has no candidate.
  private let places: Column<UInt16>
  /// Room for `noteAll`.
  private let notes: Column<ReuseClass>
  /// By class: its candidates.
  let counts: Column<UInt32>
  private var count = 0
  private var turn = 0

  init() {
    worths = Column(zeroed: ReuseClass.count)
    classes = Column(zeroed: ReuseClass.count)
    places = Column(zeroed: ReuseClass.count)
    counts = Column(zeroed: ReuseClass.count)
    notes = Column(zeroed: ReuseClass.count)
  }

  deinit {
    worths.deallocate()
    classes.deallocate()
    places.deallocate()
    counts.deallocate()
    notes.deallocate()
  }

  /// Whether the class has a place.
  @inline(__always)
  func isRanked(_ reuse: ReuseClass) -> Bool { places[reuse.index] != 0 }

  /// The worth that the class is ranked by.
  @inline(__always)
  func worth(of reuse: ReuseClass) -> Float {
    places[reuse.index] == 0 ? .infinity : worths[Int(places[reuse.index]) - 1]
  }

  /// Ranks the class by that worth.
  mutating func add(_ reuse: ReuseClass, worth: Float) {
    if places[reuse.index] == 0 {
      classes[count] = reuse
      count += 1
      places[reuse.index] = UInt16(truncatingIfNeeded: count)
    }
    worths[Int(places[reuse.index]) - 1] = worth
  }

  /// Takes the class out.
  mutating func remove(_ reuse: ReuseClass) {
    guard places[reuse.index] != 0 else { return }
    let place = Int(places[reuse.index]) - 1
    count -= 1
    classes[place] = classes[count]
    worths[place] = worths[count]
    places[classes[place].index] = UInt16(truncatingIfNeeded: place + 1)
    places[reuse.index] = 0
  }

  /// The cheapest class and the worth it is ranked by; nil without any.
  ///
  /// - Complexity: O(ranked classes), some tens of comparisons in a row.
  @inline(__always)
  var cheapest: (ReuseClass, Float)? {
    guard count > 0 else { return nil }
    var best = 0
    for place in 1..<max(1, count) where worths[place] < worths[best] { best = place }
    return (classes[best], worths[best])
  }

  /// The least worth of another class; infinite without one.
  func leastWorth(but reuse: ReuseClass) -> Float {
    var least = Float.infinity
    for place in 0..<count where classes[place] != reuse { least = min(least, worths[place]) }
    return least
  }

  /// What the cheapest `wanted` candidates are worth on average; nil without any. Infinite when
  /// some of them are beyond price.
  ///
  /// - Complexity: O(ranked classes), a few times.
  func averageWorth(of wanted: Int) -> Float? {
    var (sum, left) = (Float(0), wanted)
    var last: (worth: Float, place: Int) = (-1, -1)
    for _ in 0..<Self.classesMax {
      var best = -1
      for place in 0..<count where (worths[place], place) > (last.worth, last.place) {
        if best < 0 || worths[place] < worths[best] { best = place }
      }
      guard best >= 0 else { break }
      last = (worths[best], best)
      let taken = min(left, Int(counts[classes[best].index]))
      sum += Float(taken) * last.worth
      left -= taken
      if left == 0 { break }
    }
    return last.place < 0 ? nil : (sum + Float(left) * last.worth) / Float(wanted)
  }

  private static let classesMax = 8

  /// One ranked class after another, round and round; nil without any.
  mutating func next() -> ReuseClass? {
    guard count > 0 else { return nil }
    turn = turn + 1 < count ? turn + 1 : 0
    return classes[turn]
  }

  /// Notes all ranked classes, in order; returns how many there are.
  mutating func noteAll() -> Int {
    for place in 0..<count { notes[place] = classes[place] }
    return count
  }

  /// The class that was noted at a place.
  @inline(__always)
  func noted(at place: Int) -> ReuseClass { notes[place] }

  /// All ranked classes.
  var all: [ReuseClass] { (0..<count).map { classes[$0] } }
}
