import BlockEngine
import BlockPolicy

/// Tenants that share the tiers: nobody has more than its share, and nobody loses what is reserved
/// for it to others.
extension Simulation {
  /// Somebody pays for what a new request will bring.
  mutating func choosePayer(_ id: RequestID) {
    guard ledger.isDivided else { return }
    let payer = TenantID(UInt8(random.below(Ledger.shares.count)))
    let isTaken = engine.assign(id, to: payer)
    check(
      isTaken == (ledger.payers.count < limits.requestLimit), "nobody pays for a request")
    if isTaken { ledger.payers[id] = payer }
  }

  /// How many blocks of a class a tenant may have.
  func shareLimit(_ tier: Tier, _ classID: ClassID, _ tenant: TenantID) -> Int {
    let percent = Ledger.shares[tenant.index][tier].limitPercent
    let slots = limit(tier, classID, percent)
    return percent > 0 && limit(tier, classID, 100) > 0 ? max(1, slots) : slots
  }

  private func reserve(_ tier: Tier, _ classID: ClassID, _ tenant: TenantID) -> Int {
    usableCount(tier, classID) * Ledger.shares[tenant.index][tier].reservePercent / 100
  }

  /// How long a prompt may be that the first tenant has whole in each tier, beside what is reserved
  /// for the others and its own blocks that are above normal; one block at least.
  func certainLength(_ namespace: Int) -> Int {
    guard ledger.isDivided else { return .max }
    var length = Int.max
    for column in 0..<2 {
      let classID = ClassID(UInt8(column))
      let groupCount = Self.namespaces[namespace].count { $0.classID == classID }
      guard groupCount > 0 else { continue }
      for tier in Tier.allCases {
        let others = Ledger.shares.indices.dropFirst().reduce(0) {
          $0 + reserve(tier, classID, TenantID(UInt8($1)))
        }
        let kept = others + aboveLimit(tier, classID, .standard)
        length = min(length, (usableCount(tier, classID) - kept) / groupCount)
      }
    }
    return max(1, length)
  }

  /// How many blocks may be above normal, by who pays for them.
  func aboveLimit(_ tier: Tier, _ classID: ClassID, _ tenant: TenantID) -> Int {
    guard ledger.isDivided else { return limit(tier, classID, limits.retentionPercent) }
    let share = shareLimit(tier, classID, tenant)
    let isOpen = tier == .disk && isScanning[Int(classID.rawValue)]
    return isOpen ? share : share * limits.retentionPercent / 100
  }

  /// Whether somebody has as many blocks above normal as may be.
  func isFullAbove(_ tier: Tier, _ classID: ClassID) -> Bool {
    guard ledger.isDivided else {
      return engine.retainedCount(tier, classID) >= aboveLimit(tier, classID, .standard)
    }
    return Ledger.shares.indices.contains { index in
      let tenant = TenantID(UInt8(index))
      return engine.retainedCount(tier, classID, of: tenant) >= aboveLimit(tier, classID, tenant)
    }
  }

  // MARK: The account

  /// A slot is being filled.
  mutating func notePayer(of target: BlockRef, _ wanted: TenantID?) {
    guard ledger.isDivided else { return }
    let owner = engine.owner(of: target)
    check(wanted ?? owner == owner, "\(owner) pays for \(target.words), not \(wanted ?? owner)")
    ledger.owners[target] = owner
  }

  /// Who pays for a host block is to pay for its copy on disk.
  mutating func notePayer(ofCopy target: BlockRef, from source: BlockRef) {
    guard ledger.isDivided else { return }
    notePayer(of: target, ledger.owners[source])
  }

  /// What a match has begun is paid for by who asked.
  mutating func checkPayer(_ id: RequestID, since before: Holdings?) {
    guard let before else { return }
    for effect in engine.effects.dropFirst(before.effectCount) {
      switch effect {
      case .read(_, _, _, let target), .get(_, _, let target):
        check(engine.owner(of: target) == ledger.payer(of: id), "somebody else pays for a read")
      default: break
      }
    }
  }

  /// What a scan found is paid for by whom its header names.
  mutating func notePayers(of residents: [Resident], _ classID: ClassID) {
    guard ledger.isDivided else { return }
    var payers: [UInt32: TenantID] = [:]
    for resident in residents { payers[resident.slot] = resident.payer }
    engine.forEachRegistered(.disk, classID) { block, _ in
      let ref = BlockRef(tier: .disk, classID: classID, block: block)
      if ledger.owners[ref] == nil { ledger.owners[ref] = payers[block.slot.rawValue] }
    }
  }

  /// The slots that somebody is filling, and who pays for them.
  ///
  /// - Parameter last: What is just being reported, and not among the jobs any more.
  private func arrivals(_ last: Job? = nil) -> [BlockRef: TenantID] {
    guard ledger.isDivided else { return [:] }
    var targets: [BlockRef: TenantID] = [:]
    for job in jobs + [last].compactMap({ $0 }) where !job.isEcho {
      guard let target = job.target, engine.isFilling(target) else { continue }
      targets[target] = ledger.owners[target]
    }
    for effect in engine.effects {
      guard let target = effect.target, engine.isFilling(target) else { continue }
      targets[target] = engine.owner(of: target)
    }
    return targets
  }

  // MARK: Around a call

  /// What each tenant has; nil where the tiers are not divided.
  ///
  /// - Parameter last: What is just being reported.
  func holdings(before last: Job? = nil) -> Holdings? {
    guard ledger.isDivided else { return nil }
    var holdings = Holdings()
    holdings.effectCount = engine.effects.count
    for (ref, owner) in arrivals(last) {
      holdings.counts[ref.tier][ref.classID][owner.index] += 1
    }
    for tier in Tier.allCases {
      for column in 0..<2 {
        let classID = ClassID(UInt8(column))
        engine.forEachRegistered(tier, classID) { block, record in
          let ref = BlockRef(tier: tier, classID: classID, block: block)
          let owner = ledger.owners[ref] ?? engine.owner(of: ref)
          holdings.counts[tier][classID][owner.index] += 1
          holdings.owners[tier][classID][record.indexName] = owner
        }
      }
    }
    return holdings
  }

  /// Of the blocks that a call has evicted, none was reserved for its owner, and only who had its
  /// share lost a block for that.
  ///
  /// - Parameter isExact: Whether nothing that was on its way has ended in the call.
  mutating func checkShares(since before: Holdings?, isExact: Bool = true) {
    guard var holdings = before else { return }
    var lost: [(tier: Tier, classID: ClassID, owner: TenantID, left: Int)] = []
    for effect in engine.effects.dropFirst(holdings.effectCount) {
      if case .removed(let tier, let record, let reason) = effect {
        let place = Self.namespaces[Int(record.namespace.rawValue)][Int(record.group)]
        let classID = place.classID
        let name = record.indexName
        guard let owner = holdings.owners[tier][classID].removeValue(forKey: name) else { continue }
        let count = holdings.counts[tier][classID][owner.index]
        holdings.counts[tier][classID][owner.index] -= 1
        if reason == .overShare {
          let most = shareLimit(tier, classID, owner)
          check(count >= most, "a block leaves for a share that is not full")
        } else if reason == .evicted {
          lost.append((tier, classID, owner, count - 1))
        }
      } else if let target = effect.target {
        let (tier, classID, payer) = (target.tier, target.classID, engine.owner(of: target))
        for loss in lost where loss.tier == tier && loss.classID == classID {
          check(
            loss.owner == payer || loss.left >= reserve(tier, classID, loss.owner),
            "what is reserved for tenant \(loss.owner) is taken by \(payer)")
        }
        lost.removeAll { $0.tier == tier && $0.classID == classID }
        holdings.counts[tier][classID][payer.index] += 1
        let count = holdings.counts[tier][classID][payer.index]
        check(
          !isExact || count <= shareLimit(tier, classID, payer),
          "tenant \(payer) brings more than its share")
      }
    }
  }

  // MARK: After every step

  /// Nobody comes to have more than its share, and what somebody has beyond it goes.
  mutating func checkTenants() {
    guard ledger.isDivided else { return }
    let arriving = arrivals()
    var owners = arriving
    var counts = Ledger.nothing
    var couldLeave = Ledger.nothing
    var wrong: BlockRef?
    for (ref, owner) in arriving { counts[ref.tier][ref.classID][owner.index] += 1 }
    for tier in Tier.allCases {
      for column in 0..<2 {
        let classID = ClassID(UInt8(column))
        engine.forEachRegistered(tier, classID) { block, _ in
          let ref = BlockRef(tier: tier, classID: classID, block: block)
          let owner = engine.owner(of: ref)
          if ledger.owners[ref] != owner { wrong = ref }
          owners[ref] = owner
          counts[tier][classID][owner.index] += 1
          if !engine.isHeld(ref) { couldLeave[tier][classID][owner.index] += 1 }
        }
      }
    }
    if let wrong { check(false, "\(wrong.words) has changed hands") }
    for tier in Tier.allCases {
      for column in 0..<2 {
        let classID = ClassID(UInt8(column))
        for index in Ledger.shares.indices {
          let (tenant, count) = (TenantID(UInt8(index)), counts[tier][classID][index])
          let most = shareLimit(tier, classID, tenant)
          check(
            count <= max(most, ledger.counts[tier][classID][index]),
            "tenant \(index) has \(count) blocks in \(tier), of \(most)")
          check(
            !isTicked || count <= most || couldLeave[tier][classID][index] == 0,
            "tenant \(index) keeps \(count) blocks in \(tier), of \(most)")
        }
      }
    }
    ledger.owners = owners
    ledger.counts = counts
  }
}

extension Job {
  /// The slot that is being filled.
  var target: BlockRef? {
    switch work {
    case .offload(_, _, let target), .get(_, let target), .read(_, _, let target),
      .write(_, _, let target):
      target
    case .onboard, .put, .look: nil
    }
  }
}

extension Effect {
  /// The slot that is to be filled.
  var target: BlockRef? {
    switch self {
    case .offload(_, _, _, _, let target), .read(_, _, _, let target), .write(_, _, _, let target),
      .get(_, _, let target):
      target
    case .onboard, .put, .look, .loadEnded, .stored, .removed, .refused: nil
    }
  }
}

extension Array {
  /// The row of a tier.
  subscript(tier: Tier) -> Element {
    get { self[Int(tier.rawValue)] }
    _modify { yield &self[Int(tier.rawValue)] }
  }

  /// The column of a class.
  subscript(classID: ClassID) -> Element {
    get { self[Int(classID.rawValue)] }
    _modify { yield &self[Int(classID.rawValue)] }
  }
}
