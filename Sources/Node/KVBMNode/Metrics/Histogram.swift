/// How long something took, by ranges that Prometheus adds up. Only ever rises.
struct Histogram {
  /// The upper ends of all ranges but the last, in seconds: 10 µs to 10 s, three a decade.
  static let bounds: [Double] = [
    0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
    0.1, 0.2, 0.5, 1, 2, 5, 10,
  ]

  /// Times in each range; one longer than `bounds`.
  private(set) var counts = [Int](repeating: 0, count: bounds.count + 1)
  /// All times together, in nanoseconds.
  private(set) var sumNanoseconds: UInt64 = 0

  /// Enters a time.
  ///
  /// - Complexity: O(ranges), some 20 comparisons.
  mutating func add(nanoseconds: UInt64) {
    let seconds = Double(nanoseconds) / 1e9
    counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
    sumNanoseconds &+= nanoseconds
  }
}
