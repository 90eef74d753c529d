/// A fixed number of entries named by ids that go stale when the entry is removed.
///
/// - Complexity: O(1) for every call but `visit`.
struct IDTable<Value> {
  private var values: [Value?]
  /// The generation that each entry has, or will have when next used; never 0.
  private var generations: [UInt32]
  private var freeEntries: [Int]
  private let epoch: UInt16

  /// - Parameter epoch: The restart that this is, so that ids of earlier ones stay stale.
  init(capacity: Int, epoch: UInt16) {
    precondition(capacity < 1 << 16, "an entry's number has 16 bits")
    values = Array(repeating: nil, count: capacity)
    generations = Array(repeating: 1, count: capacity)
    freeEntries = Array((0..<capacity).reversed())
    self.epoch = epoch
  }

  var count: Int { values.count - freeEntries.count }

  /// Enters a value; nil when the table is full.
  mutating func insert(_ value: Value) -> OperationID? {
    guard let entry = freeEntries.popLast() else { return nil }
    values[entry] = value
    return id(of: entry)
  }

  /// The value of an id, nil when it is stale. A change must name a current id.
  subscript(id: OperationID) -> Value? {
    _read {
      if isCurrent(id) { yield values[entry(of: id)] } else { yield nil }
    }
    _modify {
      precondition(isCurrent(id), "a change of an operation that is over")
      yield &values[entry(of: id)]
    }
  }

  @discardableResult
  mutating func remove(_ id: OperationID) -> Value? {
    guard let value = self[id] else { return nil }
    let entry = entry(of: id)
    values[entry] = nil
    generations[entry] = generations[entry] == .max ? 1 : generations[entry] + 1
    freeEntries.append(entry)
    return value
  }

  /// The id that is current at another id's entry.
  func successor(of id: OperationID) -> OperationID {
    entry(of: id) < values.count ? self.id(of: entry(of: id)) : id
  }

  func visit<Failure>(
    _ body: (OperationID, Value) throws(Failure) -> Void
  ) throws(Failure) {
    for entry in values.indices {
      if let value = values[entry] { try body(id(of: entry), value) }
    }
  }

  private func entry(of id: OperationID) -> Int { Int(id.rawValue & 0xffff) }

  private func id(of entry: Int) -> OperationID {
    OperationID(UInt64(epoch) << 48 | UInt64(generations[entry]) << 16 | UInt64(entry))
  }

  private func isCurrent(_ id: OperationID) -> Bool {
    let entry = entry(of: id)
    return entry < values.count && self.id(of: entry) == id && values[entry] != nil
  }
}
