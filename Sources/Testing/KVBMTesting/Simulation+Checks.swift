import BlockEngine

/// What must always hold; the numbers are those of the invariants in the design's section 3.
extension Simulation {
  /// Holds engine, drivers and memory against each other and against the truth.
  mutating func checkEverything() {
    // 4 and 7: everything is bounded, nothing leaks.
    do throws(BrokenInvariant) { try engine.checkInvariants() } catch { fault = fault ?? error }
    checkReady()
    checkNews()
    checkAnnounced()
    // 5: nobody else gets memory that a driver may still touch.
    var stolen: BlockRef?
    for job in jobs where !job.isEcho {
      job.forEachBlock { if !engine.isHeld($0) { stolen = $0 } }
    }
    if let stolen { check(false, "a driver still uses \(stolen.words)") }
    for extent in extents where !extent.isUsable { checkAbsent(extent) }
    checkWorths()
    checkTenants()
  }

  /// 1, 2 and 6: whatever is offered has the right bytes, all parts of them; but for those that
  /// turned round in memory, which are found when they are used.
  private mutating func checkReady() {
    var wrong: BlockRef?
    for (index, machine) in machines.enumerated() {
      let classID = ClassID(UInt8(index))
      engine.forEachRegistered(.host, classID) { block, record in
        let parts = machine.host[block.slot.index]
        for part in 0..<Self.partCount(of: record)
        where parts[part] != Truth.bytes(record, part: part) {
          if !machine.isFlipped[block.slot.index][part] {
            wrong = BlockRef(tier: .host, classID: classID, block: block)
          }
        }
      }
    }
    if let wrong { check(false, "wrong bytes in ready block \(wrong.words)") }
  }

  /// The engine says where a block is found from now on, or not any more.
  mutating func hear(_ tier: Tier, _ record: BlockRecord, isThere: Bool) {
    let place = Self.namespaces[Int(record.namespace.rawValue)][Int(record.group)]
    let (row, column) = (Int(tier.rawValue), Int(place.classID.rawValue))
    let name = record.key.inGroup(Int(record.group))
    let wasThere = told[row][column].contains(name)
    check(wasThere != isThere, "news that is none")
    if isThere { hearAnnounced(tier, record, column) }
    if isThere { told[row][column].insert(name) } else { told[row][column].remove(name) }
    if isThere { door.refused[row].remove(name) }
  }

  /// Whoever follows the news knows exactly what is found where.
  private mutating func checkNews() {
    for tier in Tier.allCases {
      for column in 0..<2 {
        let names = told[Int(tier.rawValue)][column]
        var count = 0
        engine.forEachRegistered(tier, ClassID(UInt8(column))) { _, record in
          let isTold = names.contains(record.key.inGroup(Int(record.group)))
          count += isTold ? 1 : -1000
        }
        check(count == names.count, "the news and \(tier) of class \(column) differ")
      }
    }
  }

  /// Nothing is found in memory that is not there.
  private mutating func checkAbsent(_ extent: Extent) {
    var found = false
    engine.forEachRegistered(extent.tier, extent.classID) { block, _ in
      if extent.slots.contains(block.slot.rawValue) { found = true }
    }
    check(!found, "a block in an extent that is gone")
  }

  /// Of several copies of a block that scans find, the one that was written last stays. A copy that
  /// this engine has written counts as later than all of them.
  mutating func checkAdopted(_ residents: [Resident], _ classID: ClassID) {
    let index = Int(classID.rawValue)
    for resident in residents { scanned[index].insert(resident.slot) }
    var found: [BlockKey: UInt64] = [:]
    engine.forEachRegistered(.disk, classID) { block, record in
      let isScanned = scanned[index].contains(block.slot.rawValue)
      let sequence = isScanned ? machines[index].disk[block.slot.index]?.writeSequence : nil
      found[record.key.inGroup(Int(record.group))] = sequence ?? .max
    }
    for resident in residents {
      let name = resident.record.key.inGroup(Int(resident.record.group))
      guard let sequence = found[name] else {
        check(false, "a copy on disk was not adopted")
        continue
      }
      if sequence != resident.writeSequence { tally.duplicatesFound += 1 }
      check(sequence >= resident.writeSequence, "an older copy stays")
    }
  }

  /// A load is over: told exactly once, with the outcome that the ranks gave.
  mutating func checkEnd(of operation: OperationID, _ id: RequestID, _ count: Int) {
    guard let load = loads.removeValue(forKey: operation), load.request == id else {
      return check(false, "the end of a load that is not in progress")
    }
    tally.loadsEnded += 1
    check(count == (load.hasFailed ? 0 : load.count), "a load's end is wrong")
    if load.hasFailed { refused.insert(id) }
    for job in jobs where !job.isEcho && job.operation == operation {
      check(false, "told while a copy runs")
    }
  }

  /// Remembers the first thing that is wrong; the step ends with it.
  mutating func check(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition && fault == nil { fault = BrokenInvariant(message()) }
  }
}
