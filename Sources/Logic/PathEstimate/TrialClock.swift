/// When a way that is not used, since it is too slow, is to be tried all the same: otherwise nobody
/// would learn that it has become fast.
///
/// The first trial is due an interval after the way was given up. Each that has taught something
/// and found the way as slow as before doubles the interval, up to 64 times the first one; one that
/// found it faster brings the first interval back.
public struct TrialClock: Sendable {
  private let firstInterval: UInt64
  private var interval: UInt64 = 0
  private var next: UInt64 = 0
  private var countAtLast = 0
  private var costAtLast = 0.0

  /// A clock for a way that is in use.
  public init(intervalNanoseconds: UInt64) { firstInterval = max(1, intervalNanoseconds) }

  /// The way is in use.
  public mutating func reset() { interval = 0 }

  /// The way was not used just now; whether it is to be tried.
  ///
  public mutating func isDue(now: UInt64, _ path: PathEstimate) -> Bool {
    let cost = path.nanoseconds(ofQueue: Self.typicalBytes) ?? 0
    if interval == 0 {
      interval = firstInterval
      note(path, cost, now)
      return false
    }
    if cost < Self.improvement * costAtLast {
      interval = firstInterval
      next = min(next, later(now))
      costAtLast = cost
    }
    guard now >= next else { return false }
    // One that has taught nothing is no reason to wait longer for the next.
    if path.sampleCount > countAtLast { interval = min(2 * interval, 64 * firstInterval) }
    note(path, cost, now)
    return true
  }

  private mutating func note(_ path: PathEstimate, _ cost: Double, _ now: UInt64) {
    next = later(now)
    countAtLast = path.sampleCount
    costAtLast = cost
  }

  /// By which a way's speed is compared with what it was.
  private static let typicalBytes = 1 << 16
  /// So much of the cost of before is an improvement.
  private static let improvement = 0.8

  private func later(_ now: UInt64) -> UInt64 { now.addingReportingOverflow(interval).partialValue }
}
