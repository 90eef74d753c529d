/// A bounded queue, first in, first out, which allocates nothing after it is made.
struct Fifo<Element> {
  private var elements: [Element?]
  private var first = 0
  /// How many there are.
  private(set) var count = 0

  /// An empty queue for `limit` elements, 1 at least.
  init(limit: Int) { elements = Array(repeating: nil, count: limit) }

  /// Whether another one would be one too many.
  var isFull: Bool { count == elements.count }

  /// Adds one at the end.
  ///
  /// - Precondition: the queue is not full.
  mutating func append(_ element: Element) {
    precondition(!isFull, "more than \(elements.count) in a queue")
    elements[(first + count) % elements.count] = element
    count += 1
  }

  /// Takes the oldest one; nil when there is none.
  mutating func next() -> Element? {
    guard count > 0 else { return nil }
    let element = elements[first]
    elements[first] = nil
    first = (first + 1) % elements.count
    count -= 1
    return element
  }
}
