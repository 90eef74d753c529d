import BlockEngine

/// What the naive model knows of blocks that were announced, and of tails.
struct Announcements {
  /// Who said so, and until when by the engine's clock.
  struct Lease {
    var producer: RequestID
    var until: UInt64
    var namespace = 0
  }

  /// `[class]`, by the name in the group: announced and not there yet.
  var expected: [[BlockKey: Lease]] = [[:], [:]]
  /// By name.
  var tails: [BlockKey: Lease] = [:]
  /// Every name that a tail ever had.
  var tailNames: Set<BlockKey> = []
  /// When the engine was last told the time.
  var tickedAt: UInt64?

  mutating func remove(where isOver: (Lease) -> Bool) {
    for (name, lease) in tails where isOver(lease) { endTail(name, lease) }
    for column in expected.indices { expected[column] = expected[column].filter { !isOver($1) } }
  }

  /// What is expected of a tail goes with it.
  private mutating func endTail(_ name: BlockKey, _ lease: Lease) {
    tails[name] = nil
    for (group, place) in Simulation.namespaces[lease.namespace].enumerated() {
      expected[Int(place.classID.rawValue)][name.inGroup(group)] = nil
    }
  }

  var expectedCount: Int { expected[0].count + expected[1].count }
}

/// Producers that announce blocks before they exist, and store tails that only some may find.
extension Simulation {
  private static let scopes = (1...2 as ClosedRange<UInt64>).map {
    BlockKey(high: Random.mix($0), low: Random.mix(~$0))
  }

  /// The tail of some prompts; the same tokens under several scopes.
  mutating func tail(after keys: [BlockKey], _ namespace: Int) -> Tail? {
    guard !Self.hasWindow(namespace), let last = keys.last, !random.oneIn(4) else { return nil }
    let low = Random.mix(last.low &* 8 &+ 7)
    let key = BlockKey(high: Random.mix(low), low: low)
    let scope = Self.scopes[random.below(2)]
    announced.tailNames.insert(BlockKey(high: key.high ^ scope.high, low: key.low ^ scope.low))
    return Tail(key: key, scope: scope)
  }

  /// Some leases are over at once, others outlast every deadline.
  private mutating func lease(
    _ id: RequestID, _ prompt: Prompt, of length: Int
  ) -> Announcements.Lease {
    Announcements.Lease(
      producer: id, until: time.nanoseconds + UInt64(random.below(length)),
      namespace: prompt.namespace)
  }

  mutating func announce() {
    let id = anyRequest()
    guard let prompt = prompts[id] else { return }
    let count = 1 + random.below(prompt.keys.count)
    let tail = count == prompt.keys.count && random.oneIn(2) ? prompt.tail : nil
    let lease = lease(id, prompt, of: 1500)
    let accepted = engine.expect(
      id, in: NamespaceID(UInt16(prompt.namespace)), keys: Array(prompt.keys.prefix(count)).span,
      tail: tail, until: Time(nanoseconds: lease.until), now: time)
    tell(
      "\(id.words) announces \(count) blocks\(tail == nil ? "" : " and a tail"): \(accepted) taken")
    fold(11, UInt64(accepted))
    guard lease.until > time.nanoseconds else { return check(accepted == 0, "a lease of no time") }
    // The news first: leases that ended in this call.
    settle()
    endLeases()
    for index in 0..<min(accepted, count) { note(prompt.keys[index], lease) }
    if let name = prompt.tailName, tail != nil, accepted >= count, noteTail(name, lease) {
      if accepted > count { note(name, lease) }
    }
  }

  /// Who waits, waits for this one from now on, unless it is there or on its way.
  private mutating func note(_ name: BlockKey, _ lease: Announcements.Lease) {
    for (group, place) in Self.namespaces[lease.namespace].enumerated() {
      let column = Int(place.classID.rawValue)
      let inGroup = name.inGroup(group)
      if told[Int(Tier.host.rawValue)][column].contains(inGroup)
        || engine.isArriving(name, group: group, place.classID)
      {
        continue
      }
      let known = announced.expected[column][inGroup]
      if let known, known.producer != lease.producer, known.until >= lease.until { continue }
      announced.expected[column][inGroup] = lease
    }
  }

  /// Whether a tail is this producer's from now on.
  private mutating func noteTail(_ name: BlockKey, _ lease: Announcements.Lease) -> Bool {
    let known = announced.tails[name]
    if let known, known.producer != lease.producer { return false }
    guard known != nil || announced.tails.count < limits.tailLimit else { return false }
    announced.tails[name] = lease
    return true
  }

  mutating func storeTail() {
    let id = anyRequest()
    guard let prompt = prompts[id], let tail = prompt.tail, let name = prompt.tailName else {
      return
    }
    // Of what is before it some may be there already.
    _ = offer(id, prompt, 0..<prompt.keys.count)
    let lease = lease(id, prompt, of: 4000)
    let holdings = holdings()
    let answer = engine.prepareStore(
      id, in: NamespaceID(UInt16(prompt.namespace)), tail: tail, position: prompt.keys.count,
      parentKey: prompt.parentKeys[prompt.keys.count], until: Time(nanoseconds: lease.until),
      now: time)
    checkShares(since: holdings)
    let place = prompt.keys.count
    noteClaims(id, prompt, Self.namespaces[prompt.namespace].map { _ in place }, place + 1)
    tell("\(id.words) offers its tail: \(answer.offloadCount) taken")
    fold(12, UInt64(answer.offloadCount))
    settle()
    endLeases()
    let isMine = lease.until > time.nanoseconds && noteTail(name, lease)
    check(isMine || answer == .none, "a tail was taken that is another's, or over")
    if isMine { hand(over: prompt) }
  }

  /// A request of any engine of that namespace is told of the prompt, and of its tail's scope.
  private mutating func hand(over prompt: Prompt) {
    let engines = attached.filter { $0.namespace == prompt.namespace }
    guard !engines.isEmpty, live.count <= limits.requestLimit else { return }
    requestCount += 1
    let id = RequestID(engine: engines[random.below(engines.count)].id, number: requestCount)
    live.append(id)
    prompts[id] = Prompt(
      namespace: prompt.namespace, root: prompt.root, keys: prompt.keys,
      failedReadCount: failedReadCount, tail: prompt.tail)
    tell("\(id.words) is told of that prompt and its tail")
  }

  /// A request that was told of a tail which may be found now.
  mutating func anyTold() -> RequestID? {
    let told = live.filter { prompts[$0]?.tailName.map { isLeased($0) } == true }
    return told.isEmpty ? nil : told[random.below(told.count)]
  }

  mutating func abandon() {
    guard !live.isEmpty else { return }
    abandon(live[random.below(live.count)])
  }

  private mutating func abandon(_ producer: RequestID) {
    tell("\(producer.words) gives up what it has announced")
    engine.abandon(producer)
    announced.remove { $0.producer == producer }
  }

  /// Everybody gives up; nothing is expected any more.
  mutating func abandonEverything() {
    let leases = announced.expected.flatMap(\.values) + announced.tails.values
    let producers = Set(leases.map(\.producer)).sorted { $0.number < $1.number }
    for producer in producers { abandon(producer) }
    tick()
    settle()
    check(engine.expectedBlockCount == 0 && engine.tailCount == 0, "what nobody brings is expected")
  }

  /// Leases end by the engine's clock.
  private mutating func endLeases() {
    let moment = time.nanoseconds
    announced.remove { $0.until <= moment }
  }

  /// Whether somebody else has promised to bring a group's block of that name.
  func isExpected(_ name: BlockKey, _ group: Int, _ namespace: Int, by others: RequestID) -> Bool {
    let column = Int(Self.namespaces[namespace][group].classID.rawValue)
    guard let lease = announced.expected[column][name.inGroup(group)] else { return false }
    return lease.producer != others && lease.until > time.nanoseconds
  }

  /// Whether the block comes in whatever the tier's policies want.
  func isAnnounced(_ record: BlockRecord) -> Bool {
    let place = Self.namespaces[Int(record.namespace.rawValue)][Int(record.group)]
    let name = record.key.inGroup(Int(record.group))
    return announced.tailNames.contains(record.key)
      || announced.expected[Int(place.classID.rawValue)][name] != nil
  }

  /// Whether a tail of that name may be found at this moment.
  func isLeased(_ name: BlockKey) -> Bool {
    announced.tails[name].map { $0.until > time.nanoseconds } ?? false
  }

  /// What is announced is what the model knows, and nothing of a tail outlives its lease.
  mutating func checkAnnounced() {
    guard announced.tickedAt == time.nanoseconds else { return }
    let over = announced.tails.filter { $1.until <= time.nanoseconds }
    endLeases()
    let (count, knownCount) = (engine.expectedBlockCount, announced.expectedCount)
    check(count == knownCount, "\(count) blocks are expected, \(knownCount) were announced")
    check(engine.tailCount == announced.tails.count, "tails and their leases differ")
    for (name, lease) in over {
      for (group, place) in Self.namespaces[lease.namespace].enumerated() {
        let names = told[Int(Tier.host.rawValue)][Int(place.classID.rawValue)]
        check(!names.contains(name.inGroup(group)), "a tail outlives its lease")
      }
    }
  }

  /// News of a block: one that was expected has come, and a tail stays in memory.
  mutating func hearAnnounced(_ tier: Tier, _ record: BlockRecord, _ column: Int) {
    if tier == .disk { check(!announced.tailNames.contains(record.key), "a tail on disk") }
    if tier == .host {
      announced.expected[column][record.key.inGroup(Int(record.group))] = nil
    }
  }
}
