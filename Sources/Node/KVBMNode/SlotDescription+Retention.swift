import BlockEngine
import KVLayout

/// A block's worth as its header says it: the distance from a normal priority, which is 0 where
/// nothing is said, and the moment at which it ends, by the calendar.
extension SlotDescription {
  /// Says what the block is worth.
  ///
  /// - Parameters:
  ///   - now: The moment, by the node's clock. - unixNow: The same by the calendar.
  mutating func note(_ retention: Retention, now: Time, unixNow: Int64) {
    guard retention.level != .normal else { return }
    priority = Int32(retention.priority) - Int32(Retention.normal.priority)
    guard retention.until < .max else { return }
    let rest = Int64(clamping: retention.until - min(retention.until, now.nanoseconds))
    let (end, isBeyond) = unixNow.addingReportingOverflow(rest)
    expiresUnixNanoseconds = isBeyond ? .max : max(1, end)
  }

  /// What the header says that the block is worth; normal when that is over.
  func retention(now: Time, unixNow: Int64) -> Retention {
    let normal = Int(Retention.normal.priority)
    let limits = -normal...(Int(Retention.priorityMax) - normal)
    let distance = max(limits.lowerBound, min(limits.upperBound, Int(priority)))
    let worth = UInt8(clamping: normal + distance)
    guard expiresUnixNanoseconds > 0 else { return Retention(priority: worth) }
    guard expiresUnixNanoseconds > unixNow else { return .normal }
    let (rest, isBeyond) = expiresUnixNanoseconds.subtractingReportingOverflow(unixNow)
    return Retention(
      priority: worth, until: (now + UInt64(isBeyond ? .max : rest)).nanoseconds)
  }
}
