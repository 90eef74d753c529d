/// Why a block that could have come into a tier was not let in.
public enum RefusalReason: UInt8, Hashable, Sendable, CaseIterable {
  /// The tier's policy does not want it.
  case policy
  /// What the tier's eviction policy would have to give up for it is worth more.
  case outbid
  /// The block before it is neither there nor on its way: nobody could use it.
  case orphan
  /// The disk's write budget is used up.
  case budget
  /// Whoever is to pay for it has its share, or all else is reserved for others.
  case overShare
}

/// What the tiers let in of one position of a sequence, all groups alike; nil where it may come in.
struct Verdict {
  var host: RefusalReason?
  var disk: RefusalReason?
}

/// What comes into the tiers. A request's blocks are judged where it offers them, in order, and so
/// as a run: where one is refused and not there, those behind it are as well.
extension BlockEngine {
  /// Judges one position of an offer. Every position is shown to the policies, also what is there:
  /// they learn from it.
  ///
  /// - Complexity: O(1).
  mutating func judge(
    _ walk: Walk, _ keys: Span<BlockKey>, _ index: Int, priority: Int, _ now: Time
  ) -> Verdict {
    var verdict = Verdict()
    guard hostAdmission != nil || diskAdmission != nil else { return verdict }
    let bytes = walk.groups.reduce(0) { $0 + pools.slotBytes[Int($1.classID.rawValue)] }
    let candidate = AdmissionCandidate(
      key: keys[index], bytes: bytes,
      priority: bugs.contains(.ignorePriority) ? AdmissionCandidate.normalPriority : priority,
      now: now.nanoseconds)
    let parent = walk.firstPosition + index == 0 ? nil : lineage(walk, keys, index)
    if let isWanted = hostAdmission?.admits(candidate) {
      let isOrphan = parent.map { !comesToHost($0) && !comesToDisk($0) } ?? false
      verdict.host = isWanted ? isOrphan ? .orphan : nil : .policy
    }
    if let isWanted = diskAdmission?.admits(candidate) {
      let isOrphan = parent.map { !comesToDisk($0) } ?? false
      verdict.disk = isWanted ? isOrphan ? .orphan : nil : .policy
    }
    if bugs.contains(.admitOrphan) {
      if verdict.host == .orphan { verdict.host = nil }
      if verdict.disk == .orphan { verdict.disk = nil }
    }
    return verdict
  }

  /// The block before a position in the first group that needs all blocks of a prefix; nil when
  /// every group is windowed: then no block needs the one before it.
  private func lineage(
    _ walk: Walk, _ keys: Span<BlockKey>, _ index: Int
  ) -> Place? {
    guard let group = walk.groups.firstIndex(where: { $0.windowBlocks == nil }) else { return nil }
    let key = index == 0 ? walk.parentKey : keys[index - 1]
    return Place(classID: walk.groups[group].classID, key: key.inGroup(group))
  }

  /// Whether a block is in host memory, or on its way there. A prefix that begins on disk and goes
  /// on in host memory is as good as one that is all there.
  private func comesToHost(_ place: Place) -> Bool {
    pools[.host, place.classID].pool.contains(place.key) || arriving[place] != nil
  }

  /// Whether a block is on disk, or on its way there. A prefix on disk must lie there whole: host
  /// memory forgets.
  private func comesToDisk(_ place: Place) -> Bool {
    if !isAbsentFromDisk(place.classID, place.key) { return true }
    if let block = pools[.host, place.classID].pool.block(for: place.key) {
      return pools[.host, place.classID].notes[block.slot].isWriteQueued
    }
    guard let arrival = arriving[place].flatMap({ operations[$0] }) else { return false }
    return arrival.kind == .store && arrival.diskRefusal == nil
  }

  /// Why a block whose turn to be written has come is not written after all; nil when it is, and
  /// paid for.
  mutating func refusalOfWrite(
    _ record: BlockRecord, _ classID: ClassID, _ now: Time
  ) -> RefusalReason? {
    guard diskAdmission != nil || writeBudget != nil else { return nil }
    // Meanwhile the block's parent may have left host memory, or found the budget used up.
    let isWindowed =
      namespaces[Int(record.namespace.rawValue)][Int(record.group)].windowBlocks != nil
    let parent = Place(classID: classID, key: record.parentIndexKey)
    if record.position > 0 && !isWindowed && !comesToDisk(parent) && !bugs.contains(.admitOrphan) {
      return .orphan
    }
    let candidate = AdmissionCandidate(
      key: record.key, bytes: pools.slotBytes[Int(classID.rawValue)], now: now.nanoseconds)
    let isPaid = writeBudget?.admits(candidate) ?? true
    return isPaid || bugs.contains(.writeUnpaid) ? nil : .budget
  }

  /// Counts a block that is not let into a tier, and tells it.
  mutating func refuse(_ tier: Tier, _ record: BlockRecord, _ reason: RefusalReason) {
    switch (tier, reason) {
    // Counted where it was seen.
    case (_, .overShare): break
    case (.host, .orphan): counters.storesOrphaned += 1
    case (.host, _): counters.storesNotAdmitted += 1
    case (.disk, .policy), (.disk, .outbid): counters.writesNotAdmitted += 1
    case (.disk, .orphan): counters.writesOrphaned += 1
    case (.disk, .budget): counters.writesOverBudget += 1
    }
    effects.append(.refused(tier, record, reason))
  }
}
