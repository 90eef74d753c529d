import BlockIdentity

/// A recorded workload: which blocks each request needs, in order, and when it came.
public struct Trace: Sendable {
  /// The keys of all requests, one after another.
  public private(set) var keys: [BlockKey] = []
  /// Where each request's keys begin; one more at the end.
  public private(set) var starts: [Int] = [0]
  /// When each request came, in nanoseconds; empty when the recording does not say.
  public private(set) var arrivals: [UInt64] = []

  /// A trace without requests.
  public init() {}

  /// How many requests there are.
  public var requestCount: Int { starts.count - 1 }
  /// How many blocks all requests need together.
  public var blockCount: Int { keys.count }
  /// Whether the recording says when requests came.
  public var isTimed: Bool { !arrivals.isEmpty }

  /// Where a request's keys lie in `keys`.
  public func range(of request: Int) -> Range<Int> { starts[request]..<starts[request + 1] }

  /// Adds a request at the end.
  ///
  /// - Parameter arrival: Nanoseconds since any origin. Either all requests have one, or none.
  public mutating func append(_ request: some Sequence<BlockKey>, arrival: UInt64? = nil) {
    precondition(
      requestCount == 0 || isTimed == (arrival != nil), "a trace is timed throughout, or not")
    keys.append(contentsOf: request)
    starts.append(keys.count)
    // A recording of several threads may step back a little; a clock must not.
    if let arrival { arrivals.append(max(arrival, arrivals.last ?? 0)) }
  }

  /// A number for each distinct key, `0..<distinctCount`, by place in `keys`.
  ///
  /// - Complexity: O(`blockCount`).
  func numbered() -> (numbers: [Int32], distinctCount: Int) {
    var known: [BlockKey: Int32] = [:]
    known.reserveCapacity(keys.count)
    var numbers: [Int32] = []
    numbers.reserveCapacity(keys.count)
    for key in keys {
      let next = Int32(truncatingIfNeeded: known.count)
      let number = known[key, default: next]
      if number == next { known[key] = next }
      numbers.append(number)
    }
    return (numbers, known.count)
  }
}
