import BlockIdentity
import BlockPolicy

/// A recorded workload: which blocks each request needs, in order, and when it came.
public struct Trace: Sendable {
  /// The keys of all requests, one after another.
  public private(set) var keys: [BlockKey] = []
  /// Where each request's keys begin; one more at the end.
  public private(set) var starts: [Int] = [0]
  /// When each request came, in nanoseconds; empty when the recording does not say.
  public private(set) var arrivals: [UInt64] = []
  /// How many of each request's blocks, from the first on, are its prompt's; those behind were
  /// generated. All of them where the recording does not say.
  public private(set) var promptCounts: [Int] = []
  /// What each request called its blocks worth, 0...100; the usual where nothing is said.
  public private(set) var priorities: [Int] = []

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
  /// - Parameters:
  ///   - arrival: Nanoseconds since any origin. Either all requests have one, or none.
  ///   - promptCount: How many blocks are the prompt's; nil, and beyond all of them, for all.
  ///   - priority: What it called its blocks worth.
  public mutating func append(
    _ request: some Sequence<BlockKey>, arrival: UInt64? = nil, promptCount: Int? = nil,
    priority: Int = AdmissionCandidate.normalPriority
  ) {
    precondition(
      requestCount == 0 || isTimed == (arrival != nil), "a trace is timed throughout, or not")
    keys.append(contentsOf: request)
    let count = keys.count - starts[requestCount]
    starts.append(keys.count)
    promptCounts.append(min(promptCount ?? count, count))
    priorities.append(priority)
    if let arrival { arrivals.append(arrival) }
  }

  /// Brings the requests into the order in which they came; those of one moment stay as they are.
  ///
  /// A recording is written when requests end, and by several threads.
  mutating func sort() {
    guard zip(arrivals, arrivals.dropFirst()).contains(where: { $0 > $1 }) else { return }
    var sorted = Trace()
    sorted.keys.reserveCapacity(keys.count)
    // The standard library's sort keeps equal elements in order, without promising it.
    for request in (0..<requestCount).sorted(by: { (arrivals[$0], $0) < (arrivals[$1], $1) }) {
      sorted.append(
        keys[range(of: request)], arrival: arrivals[request], promptCount: promptCounts[request],
        priority: priorities[request])
    }
    self = sorted
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
