/// A block that its producer has announced, until somebody stores it or its lease ends.
struct Expectation {
  let place: Place
  /// Who announced it, with the lease that ends last.
  var producer: RequestID
  var until: Time
  /// Requests that wait for it; each has a staging hold for it.
  var waiters: [Waiter] = []
  /// Its place among its producer's.
  fileprivate var listIndex = 0

  fileprivate init(place: Place, producer: RequestID, until: Time) {
    self.place = place
    self.producer = producer
    self.until = until
  }
}

/// The announced blocks: found by place and by producer.
struct ExpectationTable {
  private var values: [Expectation?] = []
  private var freeEntries: [Int] = []
  private var entries: [Place: Int] = [:]
  /// By producer, in an order that follows from the calls.
  private var byProducer: [RequestID: [Int]] = [:]
  /// No lease ends before this moment.
  private(set) var nextEnd = Time(nanoseconds: .max)

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }

  func entry(at place: Place) -> Int? { entries[place] }

  /// The expectation of a live entry.
  subscript(entry: Int) -> Expectation {
    _read { yield values[entry]! }
    _modify { yield &values[entry]! }
  }

  /// Whether there is such an expectation.
  func isLive(_ entry: Int) -> Bool { values.indices.contains(entry) && values[entry] != nil }

  /// Enters an announcement, for which the caller has seen that there is room, or changes one.
  ///
  /// Of several producers the one whose lease ends last counts, and of one the lease that was said
  /// last.
  mutating func insert(_ place: Place, by producer: RequestID, until: Time) {
    if let entry = entries[place] {
      let known = self[entry]
      guard known.producer == producer || until > known.until else { return }
      if known.producer != producer {
        unlist(entry)
        self[entry].producer = producer
        list(entry)
      }
      self[entry].until = until
      nextEnd = min(nextEnd, until)
      return
    }
    let entry = freeEntries.popLast() ?? values.count
    if entry == values.count { values.append(nil) }
    values[entry] = Expectation(place: place, producer: producer, until: until)
    entries[place] = entry
    list(entry)
    nextEnd = min(nextEnd, until)
  }

  /// Takes a live expectation out.
  mutating func remove(_ entry: Int) {
    unlist(entry)
    entries[self[entry].place] = nil
    values[entry] = nil
    freeEntries.append(entry)
  }

  private mutating func list(_ entry: Int) {
    let producer = self[entry].producer
    self[entry].listIndex = byProducer[producer]?.count ?? 0
    byProducer[producer, default: []].append(entry)
  }

  private mutating func unlist(_ entry: Int) {
    let (producer, index) = (self[entry].producer, self[entry].listIndex)
    guard let last = byProducer[producer]?.popLast() else { return }
    if last != entry {
      byProducer[producer]?[index] = last
      self[last].listIndex = index
    }
    if byProducer[producer]?.isEmpty == true { byProducer[producer] = nil }
  }

  /// A producer's entries.
  func entries(of producer: RequestID) -> [Int] { byProducer[producer] ?? [] }

  /// Live entries, in order.
  var liveEntries: [Int] { values.indices.filter { values[$0] != nil } }

  /// The entries whose lease has ended, in order; looks at all when there may be one.
  mutating func ended(by now: Time) -> [Int] {
    guard now >= nextEnd else { return [] }
    var ended: [Int] = []
    nextEnd = Time(nanoseconds: .max)
    for entry in values.indices {
      guard let expectation = values[entry] else { continue }
      if now >= expectation.until {
        ended.append(entry)
      } else {
        nextEnd = min(nextEnd, expectation.until)
      }
    }
    return ended
  }
}
