/// Tails: blocks that their tokens do not fill, under a name that one transfer's requests share.
extension BlockEngine {
  /// As `match`, and behind the last key the tail that the request was told the scope of.
  ///
  /// It counts as one more position. Where a group is windowed there is none: how many blocks a
  /// window needs is known only for prefixes of whole ones.
  public mutating func match(
    _ id: RequestID, in namespace: NamespaceID, keys: [BlockKey], tail: Tail,
    firstPosition: Int = 0, parentKey: BlockKey = .none, now: Time
  ) -> Match {
    // One that is over may still be on its way, to be discarded.
    let name = name(of: tail)
    let isLeased = tails[name].map { $0.namespace == namespace && now < $0.until } ?? false
    return match(
      id, in: namespace, keys: isLeased ? keys + [name] : keys, firstPosition: firstPosition,
      parentKey: parentKey,
      now: now)
  }

  /// As `prepareStore`, of a tail: it is stored in host memory until the lease ends, and nowhere
  /// else.
  ///
  /// - Parameters:
  ///   - position: That of the block that it is the beginning of.
  ///   - parentKey: The key before it; the sequence's root at position 0.
  ///   - until: When it goes; later calls of the same producer change that.
  /// - Returns: Nothing covered also for a tail that is another producer's, where a group is
  ///   windowed, and when there are too many tails.
  public mutating func prepareStore(
    _ id: RequestID, in namespace: NamespaceID, tail: Tail, position: Int, parentKey: BlockKey,
    until: Time, now: Time
  ) -> StoreAnswer {
    guard fault == nil, accept(namespace, 1, position) != nil, now < until else { return .none }
    do throws(PoolError) { try endExpectations(now) } catch {
      poison(error)
      return .none
    }
    let groups = namespaces[Int(namespace.rawValue)]
    guard lease(tail, in: namespace, groups, to: id, until: until) else { return .none }
    return prepareStore(
      id, in: namespace, keys: [name(of: tail)], firstPosition: position, parentKey: parentKey,
      now: now)
  }

  /// Tails that are expected, stored or on their way.
  public var tailCount: Int { tails.count }

  /// What a tail is called; with a defect that forgets whose it is.
  func name(of tail: Tail) -> BlockKey { bugs.contains(.shareTails) ? tail.key : tail.name }

  /// Notes whose a tail is, and until when.
  mutating func lease(
    _ tail: Tail, in namespace: NamespaceID, _ groups: [GroupPlace], to producer: RequestID,
    until: Time
  ) -> Bool {
    guard !groups.hasWindow, tail.key != .none, tail.scope != .none else {
      counters.invalidCalls += 1
      return false
    }
    let isLeased = tails.insert(
      name(of: tail),
      TailTable.Entry(namespace: namespace, producer: producer, until: until))
    if !isLeased { counters.tailsRefused += 1 }
    return isLeased
  }

  /// Whether a block is somebody's tail, which goes nowhere but to the host tier.
  func isTail(_ key: BlockKey) -> Bool {
    !tails.isEmpty && tails[key] != nil && !bugs.contains(.writeTails)
  }

  /// These tails are over: they are found no more, and one that is on its way will not be.
  mutating func endTails(_ isOver: (TailTable.Entry) -> Bool) throws(PoolError) {
    if bugs.contains(.keepTails) { return }
    for (name, entry) in tails.remove(where: isOver) {
      for (group, place) in namespaces[Int(entry.namespace.rawValue)].enumerated() {
        let wanted = Place(classID: place.classID, key: name.inGroup(group))
        if let expected = expectations.entry(at: wanted) { try endExpectations([expected]) }
        if let block = pools[.host, place.classID].pool.block(for: wanted.key) {
          try removeIfFound(.host, place.classID, block, .expired)
        } else if let arrival = arriving[wanted] {
          // Its last report discards it.
          operations[arrival]!.hasFailed = true
          if let operation = operations[arrival] { try releaseWaiters(of: operation) }
        }
      }
    }
  }
}
