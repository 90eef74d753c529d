/// What became of a tier's extents. Only ever rises.
struct ExtentCounters {
  /// Brought into use.
  var added = 0
  /// Taken from a class for another, by reason.
  private(set) var moved: [ExtentBalance.Reason: Int] = [:]
  /// Given back because memory ran short.
  var returned = 0
  /// Times that a class could give none, for blocks in all of its extents are in use.
  var busy = 0

  /// A class has given one.
  mutating func noteMove(_ reason: ExtentBalance.Reason) { moved[reason, default: 0] += 1 }

  /// Each counter with the rest of its name.
  var named: [(String, Int)] {
    [("extents_added", added), ("extents_returned", returned), ("extents_busy", busy)]
      + ExtentBalance.Reason.allCases.map { ("extents_moved_\($0)", moved[$0, default: 0]) }
  }
}
