import BlockEngine

/// What happens to engines, memory and disks.
extension Simulation {
  mutating func flipDiskBit() {
    guard strikes(.diskBitFlip) else { return }
    let slot = machines[random.below(2)].flipDiskBit(&random)
    tell("a bit of disk slot \(slot) turns round")
  }

  mutating func flipHostBit() {
    guard strikes(.hostBitFlip) else { return }
    let slot = machines[random.below(2)].flipHostBit(&random)
    tell("a bit of host slot \(slot) turns round")
  }

  /// The engine's clock jumps ahead: what is under way is late at once.
  mutating func jumpClock() {
    guard strikes(.clockJump) else { return }
    clockSkew += UInt64(random.below(5000))
    tell("the clock jumps")
  }

  /// For a while the disk takes its time.
  mutating func slowDisk() {
    guard strikes(.slowDisk) else { return }
    let end = step + random.below(300)
    slowBefore = end
    tell("the disk is slow until step \(end)")
  }

  /// For a while there is no space on disk.
  mutating func fillDisk() {
    guard strikes(.fullDisk) else { return }
    let end = step + random.below(300)
    fullBefore = end
    tell("the disk is full until step \(end)")
  }

  /// In a disk slot that no scan has looked at there is an earlier copy of a block that lies
  /// elsewhere.
  mutating func leaveOldCopy() {
    let absent = extents.filter { $0.tier == .disk && !$0.isUsable }
    guard !absent.isEmpty, strikes(.oldCopy) else { return }
    let extent = absent[random.below(absent.count)]
    let slot = extent.slots.lowerBound + UInt32(random.below(extent.slots.count))
    machines[Int(extent.classID.rawValue)].leaveOldCopy(in: slot, &random)
  }

  /// The disk driver is reset: whatever has not been reported is over, and is reported now.
  mutating func resetDisk() {
    guard strikes(.diskReset) else { return }
    tell("the disk driver is reset")
    endJobs { $0.isOnDisk }
  }

  mutating func endJobs(where isOver: (Job) -> Bool) {
    for position in jobs.indices where isOver(jobs[position]) {
      jobs[position].runAt = min(jobs[position].runAt, now)
      jobs[position].reportAt = min(jobs[position].reportAt, now)
    }
  }

  /// An inference engine dies: its ranks touch nothing any more, and their last reports may be
  /// lost.
  mutating func detach() {
    guard !attached.isEmpty, strikes(.engineDeath) else { return }
    // Effects that it has not seen yet reach nobody.
    settle()
    let gone = attached.remove(at: random.below(attached.count)).id
    tell("engine \(gone.rawValue) dies")
    silenceJobs { $0.engine == gone }
    for operation in loads.keys where loads[operation]?.request.engine == gone {
      loads[operation]?.hasFailed = true
    }
    engine.detach(gone, now: time)
    settle()
    check(!loads.values.contains { $0.request.engine == gone }, "a load outlives its engine")
    for id in live where id.engine == gone {
      noteReturn(of: id)
      prompts[id] = nil
      said[id] = nil
      ledger.payers[id] = nil
    }
    live.removeAll { $0.engine == gone }
    announced.remove { $0.producer.engine == gone }
  }

  /// These jobs touch nothing any more; half of their reports still come, when nobody waits.
  private mutating func silenceJobs(_ isSilenced: (Job) -> Bool) {
    for position in jobs.indices where isSilenced(jobs[position]) {
      jobs[position].outcome = jobs[position].outcome ?? .success
      jobs[position].isEcho = true
      jobs[position].reportAt = now + UInt64(random.below(2000))
    }
  }

  /// The node dies and comes back: host memory is lost, the disk stays, writes under way may be
  /// done, torn or not begun, and old reports still arrive.
  mutating func restart() {
    guard strikes(.restart) else { return }
    settle()
    tell("the node dies and comes back")
    restartAgainBefore = random.oneIn(2) ? step + 150 : 0
    tally.counters.add(engine.counters)
    for job in jobs where !job.isEcho && job.outcome == nil {
      if case .write(let record, let source, let target) = job.work, !random.oneIn(3) {
        machines[target].writeDisk(
          target.block.slot, from: source.block.slot, record: record, lastUsed: now,
          retention: engine.retention(of: source), payer: engine.owner(of: target),
          isTorn: strikes(.tornWrite, oneIn: 2))
      }
    }
    abandonPuts()
    silenceJobs { !$0.isEcho }
    for index in machines.indices {
      machines[index].loseHost(0..<UInt32(machines[index].host.count), &random)
    }
    if bug != .keepEpoch { epoch += 1 }
    attached = []
    chooseModels()
    live = []
    prompts = [:]
    said = [:]
    returns = Returns()
    pins = [[:], [:]]
    loads = [:]
    refused = []
    trials = []
    extents = Self.makeExtents()
    scanned = [[], []]
    isScanning = [false, false]
    told = Self.noNews
    announced.remove { _ in true }
    door = Door(&random)
    ledger = Ledger(&random)
    engine = Self.makeEngine(limits, epoch: epoch, seed: random.next(), bug: bug, door, ledger)
  }

  /// An operator wants a block gone, whoever uses it.
  mutating func purge() {
    let (tier, classID) = (random.oneIn(2) ? Tier.host : .disk, ClassID(UInt8(random.below(2))))
    var blocks: [BlockID] = []
    engine.forEachRegistered(tier, classID) { block, _ in blocks.append(block) }
    guard !blocks.isEmpty, strikes(.purge) else { return }
    let block = blocks[random.below(blocks.count)]
    let ref = BlockRef(tier: tier, classID: classID, block: block)
    tell("an operator removes \(ref.words)")
    check(engine.remove(ref) && !engine.finds(ref), "a block that was removed is found")
  }

  // MARK: Memory that comes and goes

  mutating func addExtent() {
    let absent = extents.indices.filter { !extents[$0].isUsable }
    guard !absent.isEmpty else { return }
    addExtent(absent[random.below(absent.count)])
  }

  mutating func addExtent(_ index: Int) {
    extents[index].isUsable = true
    tally.extentsAdded += 1
    let extent = extents[index]
    tell("\(extent.tier) slots \(extent.slots) of class \(extent.classID.rawValue) come")
    guard extent.tier == .disk else {
      return engine.addExtent(.host, extent.classID, slots: extent.slots)
    }
    let residents = machines[Int(extent.classID.rawValue)].residents(in: extent.slots)
    let adoptedCount = engine.counters.blocksAdopted
    engine.addExtent(.disk, extent.classID, slots: extent.slots, residents: residents)
    if engine.counters.blocksAdopted > adoptedCount {
      isScanning[Int(extent.classID.rawValue)] = true
    }
    checkAdopted(residents, extent.classID)
    checkAdoptedWorth(residents, extent.classID)
    notePayers(of: residents, extent.classID)
    let rest = extents.contains {
      $0.tier == .disk && $0.classID == extent.classID && !$0.isUsable
    }
    if !rest {
      engine.finishScan(extent.classID)
      isScanning[Int(extent.classID.rawValue)] = false
    }
  }

  mutating func retireExtent() {
    let usable = extents.indices.filter { extents[$0].isUsable }
    guard !usable.isEmpty, plan.mishaps.contains(.retiredMemory) else { return }
    retireExtent(usable[random.below(usable.count)])
  }

  mutating func retireExtent(_ index: Int) {
    let extent = extents[index]
    guard engine.retireExtent(extent.tier, extent.classID, slots: extent.slots) else { return }
    extents[index].isUsable = false
    tally.mishaps[.retiredMemory] += 1
    tell("\(extent.tier) slots \(extent.slots) of class \(extent.classID.rawValue) go")
    if extent.tier == .host {
      machines[Int(extent.classID.rawValue)].loseHost(extent.slots, &random)
      forgetDroppedPins(extent.classID)
    }
  }

  /// Everybody stops: what is left over was leaked.
  mutating func quiesce() {
    tally.quietMoments += 1
    tell("everybody stops")
    settle()
    while !live.isEmpty { cancel() }
    abandonEverything()
    // What is read ahead comes bit by bit.
    for round in 0..<100 where round < 10 || engine.operationCount > 0 {
      settle()
      endJobs { _ in true }
      runDrivers()
      tick()
    }
    settle()
    unpinAll()
    check(loads.isEmpty, "a load never ended")
    check(engine.pendingWriteCount == 0, "a write never ended")
    check(engine.operationCount == 0 && engine.requestCount == 0, "something never ended")
    check(engine.useCount == 0, "a request is not over for the policies")
    for index in 0..<2 {
      for tier in Tier.allCases {
        guard let counts = engine.counts(tier, ClassID(UInt8(index))) else { continue }
        check(counts.available == counts.usable, "something is held by nobody: \(counts)")
      }
    }
  }
}
