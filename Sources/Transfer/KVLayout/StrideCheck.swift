/// Proves that no two elements of a strided array share a byte, and that none leaves memory.
///
/// The dimensions are sorted by stride; each must step over all that lies within it. Every
/// permutation of a dense or padded array passes, and arrays that interleave otherwise do not
/// occur. With that, two arrays of equal strides overlap exactly if their distance is, but for less
/// than a run, a sum of index differences times strides, of which two an each dimension need a try.
struct StrideCheck {
  private struct Dimension {
    var count: Int
    var stride: Int
  }

  /// Innermost first; dimensions of one element are left out, as their strides mean nothing.
  private var dimensions: [Dimension] = []
  private let runBytes: Int
  /// From the first to behind the last byte.
  let spanBytes: Int

  /// Nil when a stride is negative or too small, or when the span overflows.
  init?(counts: [Int], strides: [Int], runBytes: Int) {
    self.runBytes = runBytes
    for (count, stride) in zip(counts, strides) where count > 1 {
      dimensions.append(Dimension(count: count, stride: stride))
    }
    dimensions.sort { $0.stride < $1.stride }
    var span = runBytes
    for dimension in dimensions {
      guard dimension.stride >= span else { return nil }
      let (reach, overflow) = dimension.stride.multipliedReportingOverflow(
        by: dimension.count - 1)
      let (sum, carry) = reach.addingReportingOverflow(span)
      guard !overflow, !carry else { return nil }
      span = sum
    }
    spanBytes = span
  }

  /// Whether the same array `distance` bytes further on shares a byte with this one.
  func overlapsItself(at distance: Int) -> Bool { overlaps(distance, dimensions.count) }

  private func overlaps(_ distance: Int, _ count: Int) -> Bool {
    guard count > 0 else { return distance > -runBytes && distance < runBytes }
    let dimension = dimensions[count - 1]
    let down = distance / dimension.stride - (distance < 0 ? 1 : 0)
    for steps in down...down + 1 where abs(steps) < dimension.count {
      if overlaps(distance - steps * dimension.stride, count - 1) { return true }
    }
    return false
  }
}
