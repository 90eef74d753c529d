import BlockEngine
import BlockPolicy

/// What comes into the tiers of an engine, and the naive account of what it has seen and written.
struct Door {
  /// What a full budget holds.
  static let burstNanoseconds: UInt64 = 2000
  /// What a budget takes for a byte of the smaller slots: the time that brings 4096 of them.
  private static let priceNanoseconds: UInt64 = 100
  private static let pricedBytes = 4096
  private static let dayNanoseconds: UInt64 = 86_400_000_000_000
  /// No step passes more time between a write's decision and its effect.
  private static let stepNanoseconds: UInt64 = 20

  /// Whether a tier wants what comes by for the second time only.
  var isHostSelective = false
  var isDiskSelective = false
  var hasBudget = false
  /// What a block must be called worth to come into a tier.
  var hostThreshold: Int?
  var diskThreshold: Int?

  /// What each key was called worth when it was offered last, and at most.
  var priorities: [BlockKey: (last: Int, most: Int)] = [:]
  /// How often each key was offered.
  var sights: [BlockKey: Int] = [:]
  /// `[tier]`: blocks that were refused, and for which nothing was begun since.
  var refused: [Set<BlockKey>] = [[], []]
  /// When so many bytes were sent to disk, the latest last.
  var writes: [(time: UInt64, bytes: Int)] = []

  /// All doors open.
  init() {}

  /// Doors by dice: all open more often than not.
  init(_ random: inout Random) {
    isHostSelective = random.oneIn(4)
    isDiskSelective = random.oneIn(3)
    hasBudget = random.oneIn(3)
    if !isHostSelective && random.oneIn(4) { hostThreshold = Self.threshold(&random) }
    if !isDiskSelective && random.oneIn(3) { diskThreshold = Self.threshold(&random) }
  }

  /// Below, at and above what is worth as much as others.
  private static func threshold(_ random: inout Random) -> Int {
    [25, 50, thresholdMax][random.below(3)]
  }

  /// Still within what others are worth, so that whoever says that asks for nothing else.
  static let thresholdMax = 60

  // It never forgets any of the keys that there are here.
  private static var seenTwice: any AdmissionPolicy { SeenTwice(capacity: 1 << 12) }
  var hostPolicy: any AdmissionPolicy { Self.policy(isHostSelective, hostThreshold) }
  var diskPolicy: any AdmissionPolicy { Self.policy(isDiskSelective, diskThreshold) }

  private static func policy(_ isSelective: Bool, _ threshold: Int?) -> any AdmissionPolicy {
    if let threshold { return PriorityThreshold(threshold) }
    return isSelective ? seenTwice : AdmitAll()
  }

  /// Whether a tier does not want everything.
  func isSelective(_ tier: Tier) -> Bool {
    switch tier {
    case .host: isHostSelective || hostThreshold != nil
    case .disk: isDiskSelective || diskThreshold != nil
    }
  }

  /// Whether an offer of the key may have been refused by a tier's policy.
  func mayRefuse(_ key: BlockKey, _ tier: Tier) -> Bool {
    // What the disk does not want is told when the block is stored, after other offers perhaps.
    guard tier == .host else { return isSelective(.disk) }
    let isCheap = hostThreshold.map { priorities[key]?.last ?? 0 < $0 } ?? false
    return isCheap || isHostSelective && sights[key] == 1
  }

  var budget: WriteBudget? {
    guard hasBudget else { return nil }
    let perDay = Int(Self.dayNanoseconds / Self.priceNanoseconds) * Self.pricedBytes
    return WriteBudget(bytesPerDay: perDay, burstNanoseconds: Self.burstNanoseconds)
  }

  /// Notes a write; whether more was written since any of the last ones than the budget allows.
  mutating func isOverBudget(_ bytes: Int, at time: UInt64) -> Bool {
    writes.append((time, bytes))
    if writes.count > 64 { writes.removeFirst() }
    var sum = 0
    return writes.reversed().contains { write in
      sum += write.bytes
      let earned = Self.burstNanoseconds + time - write.time + Self.stepNanoseconds
      return UInt64(sum) * Self.priceNanoseconds > earned * UInt64(Self.pricedBytes)
    }
  }
}

/// What must hold of admission: what is not wanted does not come in, and nothing else is refused.
extension Simulation {
  /// Offers some of a prompt's blocks, as `prepareStore`.
  mutating func offer(
    _ id: RequestID, _ prompt: Prompt, _ positions: Range<Int>, _ firstOffered: [Int] = []
  ) -> StoreAnswer {
    let holdings = holdings()
    let answer = engine.prepareStore(
      id, in: NamespaceID(UInt16(prompt.namespace)), keys: Array(prompt.keys[positions]),
      firstPosition: positions.lowerBound, parentKey: prompt.parentKeys[positions.lowerBound],
      firstOffered: firstOffered, now: time)
    checkShares(since: holdings)
    let firstPositions = Self.namespaces[prompt.namespace].indices.map { group in
      positions.lowerBound + (firstOffered.isEmpty ? 0 : firstOffered[group])
    }
    noteClaims(id, prompt, firstPositions, positions.prefix(answer.coveredCount + 1).endIndex)
    // The one that a store stops at was looked at too.
    for position in positions.prefix(answer.coveredCount + 1) {
      let key = prompt.keys[position]
      door.sights[key, default: 0] += 1
      let priority = Int((said[id] ?? []).worth(at: position, time.nanoseconds).priority)
      door.priorities[key] = (priority, max(priority, door.priorities[key]?.most ?? 0))
      // What host memory has is considered anew; a refusal of this offer is heard of later.
      for group in Self.namespaces[prompt.namespace].indices {
        door.refused[Int(Tier.disk.rawValue)].remove(key.inGroup(group))
      }
    }
    return answer
  }

  /// A block is taken in.
  mutating func checkStore(_ record: BlockRecord) {
    let name = record.key.inGroup(Int(record.group))
    for tier in Tier.allCases { door.refused[Int(tier.rawValue)].remove(name) }
    let sights = door.sights[record.key] ?? 0
    guard !isAnnounced(record) else { return }
    check(!door.isHostSelective || sights > 1, "a block is stored at its first sight")
    let priority = door.priorities[record.key]?.last ?? 0
    check(
      door.hostThreshold ?? 0 <= priority, "a block is stored that nobody calls worth so much")
  }

  /// A block is sent to disk.
  mutating func checkWrite(_ record: BlockRecord) {
    let (group, row) = (Int(record.group), Int(Tier.disk.rawValue))
    let place = Self.namespaces[Int(record.namespace.rawValue)][group]
    let sights = door.sights[record.key] ?? 0
    check(!door.isDiskSelective || sights > 1, "a block is written at its first sight")
    let priority = door.priorities[record.key]?.most ?? 0
    check(
      door.diskThreshold ?? 0 <= priority, "a block is written that nobody calls worth so much")
    let parent = record.parentKey.inGroup(group)
    let isAlone =
      door.refused[row].contains(parent)
      && !told[row][Int(place.classID.rawValue)].contains(parent) && !isBeingWritten(parent)
    check(
      !isAlone || place.windowBlocks != nil || record.position == 0,
      "a block is written whose parent was refused")
    door.refused[row].remove(record.key.inGroup(group))
    let isOver = door.isOverBudget(
      4096 * (Int(place.classID.rawValue) + 1), at: time.nanoseconds)
    check(!door.hasBudget || !isOver, "more is written than the budget allows")
  }

  private func isBeingWritten(_ name: BlockKey) -> Bool {
    jobs.contains { job in
      guard case .write(let record, _, _) = job.work else { return false }
      return record.key.inGroup(Int(record.group)) == name
    }
  }

  /// A block was not let in.
  mutating func hear(refusal reason: RefusalReason, _ tier: Tier, _ record: BlockRecord) {
    tally.refusals[reason, default: 0] += 1
    // The policies have nothing against it, nor against what is behind it.
    if reason == .overShare { return check(ledger.isDivided, "a share where all have everything") }
    door.refused[Int(tier.rawValue)].insert(record.key.inGroup(Int(record.group)))
    let isSelective = door.isSelective(tier)
    switch reason {
    case .policy:
      check(isSelective, "a block is refused where everything is wanted")
      check(door.mayRefuse(record.key, tier), "a block is refused although it is wanted")
    case .outbid:
      check(tier == .host, "the disk's policy is not asked")
    case .orphan:
      check(isSelective || tier == .disk && door.hasBudget, "an orphan is refused for no reason")
      check(record.position > 0, "the first block has no parent that could be missing")
    case .budget:
      check(tier == .disk && door.hasBudget, "a budget that there is not is used up")
    case .overShare: break
    }
  }
}
