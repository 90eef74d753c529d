/// The classes that have candidates, and what the first candidate of each is worth.
struct ClassRanking: ~Copyable {
  private let worths: Column<Float>
  private let classes: Column<ReuseClass>
  /// By class: its place in the other two plus one; 0 when it has no candidate.
  private let places: Column<UInt16>
  private var count = 0
  private var turn = 0

  init() {
    worths = Column(zeroed: ReuseClass.count)
    classes = Column(zeroed: ReuseClass.count)
    places = Column(zeroed: ReuseClass.count)
  }

  deinit {
    worths.deallocate()
    classes.deallocate()
    places.deallocate()
  }

  /// Whether the class has a place.
  func isRanked(_ reuse: ReuseClass) -> Bool { places[reuse.index] != 0 }

  /// The worth that the class is ranked by.
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
  var cheapest: (ReuseClass, Float)? {
    guard count > 0 else { return nil }
    var best = 0
    for place in 1..<max(1, count) where worths[place] < worths[best] { best = place }
    return (classes[best], worths[best])
  }

  /// One ranked class after another, round and round; nil without any.
  mutating func next() -> ReuseClass? {
    guard count > 0 else { return nil }
    turn = turn + 1 < count ? turn + 1 : 0
    return classes[turn]
  }

  /// All ranked classes.
  var all: [ReuseClass] { (0..<count).map { classes[$0] } }
}
