/// Questions to the object store about keys of which nothing is known.
extension BlockEngine {
  /// Asks for the keys of a walk behind what is ready or on its way, while a request can wait.
  ///
  /// - Parameter pendingCount: Positions behind the ready ones that are on their way.
  /// - Returns: Positions behind those whose answer is awaited.
  /// - Complexity: O(positions that are looked at × groups).
  mutating func look(
    _ walk: Walk, _ keys: Span<BlockKey>, _ readyCount: Int, _ pendingCount: Int, _ now: Time
  ) throws(PoolError) -> Int {
    let first = readyCount + pendingCount
    guard objects != nil, first < walk.offeredCount, refusal == nil else { return 0 }
    if let deadline = requests[walk.entry].stagingDeadline, now >= deadline { return 0 }
    let isShut = isObjectStoreShut
    guard !isShut || mayAsk(now) else { return 0 }
    let question = findUnknown(walk, keys, first, now)
    let end = usableEnd(question, walk, keys, now)
    guard end > first || !question.records.isEmpty else { return 0 }
    let isWorthIt = isWorthAsking(walk, keys, readyCount, max(end, first), now)
    guard isWorthIt || isTrialOfObjectsDue(now) else { return 0 }
    // Where nobody waits, a single question finds out what the store is like now.
    try ask(isWorthIt && !isShut ? question.records[...] : question.records.prefix(1), now)
    guard isWorthIt && !isShut && end > first else { return 0 }
    if requests[walk.entry].stagingDeadline == nil {
      requests[walk.entry].stagingDeadline = now + limits.stagingNanoseconds
    }
    return end - first
  }

  /// What is to be asked, and up to which position an answer is awaited.
  private struct Question {
    var records: [BlockRecord] = []
    var awaitedEnd: Int
  }

  /// Walks on until a position that cannot be had, or that nothing has to be asked for.
  private func findUnknown(
    _ walk: Walk, _ keys: Span<BlockKey>, _ first: Int, _ now: Time
  ) -> Question {
    var question = Question(awaitedEnd: first)
    // Who shares a beginning often shares more: all of it is asked for at once.
    let isShared = first > 0 && isStoredAsObject(keys[first - 1].inGroup(0))
    let keyLimit = min(
      isShared ? Self.questionLimit : Self.partLimit,
      (limits.lookLimit - operationCounts[.look]) * Self.partLimit)
    for index in first..<walk.offeredCount {
      var isAwaited = false
      for (group, place) in walk.groups.enumerated()
      where !isKnown(keys[index], group, walk) {
        let name = keys[index].inGroup(group)
        if objects!.asked[name] != nil {
          isAwaited = true
        } else if !objects!.memory.isAbsent(name, now.nanoseconds) {
          guard question.records.count < keyLimit else { return question }
          question.records.append(walk.record(keys, index, group))
          isAwaited = true
        } else if place.windowBlocks == nil {
          return question
        }
      }
      if isAwaited { question.awaitedEnd = index + 1 }
      if !isAwaited && !walk.groups.hasWindow { return question }
    }
    return question
  }

  /// Up to where the prefix can be of use when all answers are good: where a group is windowed,
  /// what is known to be absent is in the way of some lengths and not of others.
  private func usableEnd(
    _ question: Question, _ walk: Walk, _ keys: Span<BlockKey>, _ now: Time
  ) -> Int {
    guard walk.groups.hasWindow else { return question.awaitedEnd }
    var search = WindowSearch(walk.groups)
    let end = search.longest(upTo: question.awaitedEnd) { group, index in
      isKnown(keys[index], group, walk)
        || !objects!.memory.isAbsent(keys[index].inGroup(group), now.nanoseconds)
    }
    // What is known already waits for room, and not for an answer.
    for (group, place) in walk.groups.enumerated() {
      for index in (end - place.neededCount(of: end))..<end
      where !isKnown(keys[index], group, walk) { return end }
    }
    return 0
  }

  /// A store that is left alone is tried though nobody wants anything of it: so it is known when it
  /// answers again.
  mutating func tryObjects(_ now: Time) throws(PoolError) {
    guard isObjectStoreShut, let record = objects!.unanswered, mayAsk(now), hasRoom(for: .look),
      objects!.asked[record.indexKey] == nil, !bugs.contains(.tryOnDemand)
    else { return }
    try ask([record], now)
  }

  /// Asks in operations of as many parts as one can have.
  private mutating func ask(
    _ records: ArraySlice<BlockRecord>, _ now: Time
  ) throws(PoolError) {
    var rest = records
    while let first = rest.first, hasRoom(for: .look), mayAsk(now) {
      let batch = Array(rest.prefix(Self.partLimit))
      rest = rest.dropFirst(Self.partLimit)
      let place = namespaces[Int(first.namespace.rawValue)][Int(first.group)]
      let operation = try begin(
        Operation(
          kind: .look, record: first, classID: place.classID, source: .none, target: .none,
          deadline: now + limits.lookNanoseconds,
          outstandingParts: ~0 >> UInt32(Self.partLimit - batch.count),
          keys: batch.map(\.indexKey)), now)
      for key in operations[operation]!.keys { objects!.asked[key] = operation }
      effects.append(.look(operation, batch))
      counters.objectsAsked += batch.count
    }
  }

  /// A question has its answers, or is not waited for any more.
  mutating func endQuestion(_ id: OperationID, _ look: Operation) {
    if bugs.contains(.lookForever) && look.hasTimedOut { return }
    for key in look.keys where objects?.asked[key] == id { objects?.asked[key] = nil }
  }

  /// Parts of an operation at most.
  private static let partLimit = 32
  private static let questionLimit = 8 * partLimit
}
