/// Keeps work from a store that does not answer.
///
/// 1. Shut after so many operations in a row that failed or were late. 2. After a time one
/// operation is let through. 3. If it is answered, all are again; if not, the time doubles, up to
/// 64 times the first one. "Not there" is an answer, and so are wrong bytes.
struct Breaker {
  private let failureLimit: Int
  private let firstNanoseconds: UInt64
  private var failureCount = 0
  private var doublings: UInt64 = 0
  /// When the next trial may begin; nil while all may.
  private(set) var shutUntil: UInt64?
  private var trial: OperationID?

  init(failureLimit: Int, firstNanoseconds: UInt64) {
    self.failureLimit = failureLimit
    self.firstNanoseconds = firstNanoseconds
  }

  var isShut: Bool { shutUntil != nil }

  /// Whether an operation may begin.
  func lets(_ now: UInt64) -> Bool {
    guard let shutUntil else { return true }
    return trial == nil && now >= shutUntil
  }

  /// An operation that was let through has begun.
  mutating func began(_ operation: OperationID) { if isShut { trial = operation } }

  /// An operation was answered.
  mutating func answered(_ operation: OperationID) {
    // What was begun before says nothing of now.
    guard !isShut || trial == operation else { return }
    (failureCount, doublings, shutUntil, trial) = (0, 0, nil, nil)
  }

  /// An operation failed, or is late.
  mutating func failed(_ operation: OperationID, _ now: UInt64) {
    if isShut {
      guard trial == operation else { return }
      trial = nil
      doublings = min(doublings + 1, 6)
    } else {
      failureCount += 1
      guard failureCount >= failureLimit else { return }
    }
    let pause = firstNanoseconds.multipliedReportingOverflow(by: 1 << doublings)
    shutUntil = (Time(nanoseconds: now) + (pause.overflow ? .max : pause.partialValue)).nanoseconds
  }
}
