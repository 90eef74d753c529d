/// How often each tag was counted of late: four rows of small counters, of which the least is true
/// or too high. All halve after ten counts for each slot.
struct FrequencySketch: Sendable {
  private var rows: [UInt8]
  private let width: Int
  private let countMax: Int
  private var countedCount = 0

  private static let rowCount = 4
  private static let counterMax: UInt8 = 15
  private static let factors: [UInt32] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F]

  /// A sketch for a cache of so many slots.
  init(capacity: Int) {
    var width = 16
    while width < capacity * 2 { width *= 2 }
    self.width = width
    rows = Array(repeating: 0, count: width * Self.rowCount)
    countMax = max(16, capacity) * 10
  }

  private func place(_ tag: UInt32, _ row: Int) -> Int {
    let mixed = (tag ^ tag >> 15) &* Self.factors[row]
    return row * width + (Int(mixed >> 7) & (width - 1))
  }

  /// Counts a tag once more.
  mutating func count(_ tag: UInt32) {
    for row in 0..<Self.rowCount {
      let place = place(tag, row)
      if rows[place] < Self.counterMax { rows[place] += 1 }
    }
    countedCount += 1
    guard countedCount >= countMax else { return }
    countedCount /= 2
    for place in rows.indices { rows[place] /= 2 }
  }

  /// How often a tag was counted, or more.
  func estimate(_ tag: UInt32) -> UInt8 {
    var least = Self.counterMax
    for row in 0..<Self.rowCount { least = min(least, rows[place(tag, row)]) }
    return least
  }
}
