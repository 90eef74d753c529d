/// So many bytes a day: a disk wears out with what is written to it.
///
/// A token bucket that holds what an hour brings, kept as the moment at which it would be full.
/// It is empty at first, so that a node which starts again and again writes no more than another.
/// A block that is larger than the bucket comes in when it is full, and the ones behind wait for as
/// long as it takes to make up for it.
public struct WriteBudget: AdmissionPolicy {
  /// The bytes of a day, at least 1.
  public let bytesPerDay: Int
  private let burstNanoseconds: UInt64
  /// When the bucket will be full: what is paid for moves it into the future. Nil before `begin`.
  private var paidUntil: UInt64?

  private static let dayNanoseconds: UInt64 = 86_400_000_000_000
  /// An hour: what a busy time may take beyond its share, made up for by the quiet before it.
  public static let burstNanosecondsDefault: UInt64 = 3_600_000_000_000

  /// A budget of so many bytes a day, at least 1, whose bucket holds what `burstNanoseconds` bring.
  public init(bytesPerDay: Int, burstNanoseconds: UInt64 = burstNanosecondsDefault) {
    precondition(bytesPerDay > 0 && burstNanoseconds > 0, "a budget lets something in")
    self.bytesPerDay = bytesPerDay
    self.burstNanoseconds = burstNanoseconds
  }

  /// The bucket is empty, and fills from now on; nothing when that was said before, or asked.
  public mutating func begin(at now: UInt64) {
    if paidUntil == nil { paidUntil = Self.sum(now, burstNanoseconds) }
  }

  /// Whether the block's bytes can be paid for; they are, when they can.
  ///
  /// - Complexity: O(1).
  public mutating func admits(_ candidate: AdmissionCandidate) -> Bool {
    begin(at: candidate.now)
    let price = price(of: candidate.bytes)
    let limit = Self.sum(candidate.now, burstNanoseconds)
    let start = max(paidUntil ?? limit, candidate.now)
    let isPaid = Self.sum(start, min(price, burstNanoseconds)) <= limit
    paidUntil = isPaid ? Self.sum(start, price) : start
    return isPaid
  }

  /// The time that brings so many bytes.
  private func price(of bytes: Int) -> UInt64 {
    let rate = UInt64(bytesPerDay)
    let (high, low) = UInt64(max(0, bytes)).multipliedFullWidth(by: Self.dayNanoseconds)
    guard high < rate else { return .max }
    let (quotient, remainder) = rate.dividingFullWidth((high, low))
    return remainder == 0 ? quotient : Self.sum(quotient, 1)
  }

  private static func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, isBeyond) = a.addingReportingOverflow(b)
    return isBeyond ? .max : sum
  }
}
