import BlockEngine
import BlockPolicy

/// What must hold of blocks that are worth more or less than others, and of pinned ones.
extension Simulation {
  /// The engine's times for worths and pins are no finer than that.
  static let retentionTick: UInt64 = 64

  /// How the blocks of the host tier stand; nil while all are normal, and any may leave.
  func standing() -> Standing? {
    let isLevelled = (0..<2).contains { engine.hasRetained(.host, ClassID(UInt8($0))) }
    guard isLevelled else { return nil }
    var standing = Standing()
    for column in 0..<2 {
      let classID = ClassID(UInt8(column))
      engine.forEachRegistered(.host, classID) { block, _ in
        let ref = BlockRef(tier: .host, classID: classID, block: block)
        standing.levels[ref] = engine.retention(of: ref).level
        standing.owners[ref] = engine.owner(of: ref)
        if engine.isHeld(ref) { standing.held.insert(ref) }
      }
      standing.isFull[column] = isFullAbove(.host, classID)
    }
    return standing
  }

  /// Of the blocks that a store has evicted, none was worth more than one that stayed, and that
  /// nobody held. A match may hold blocks while it makes room, and give them back.
  mutating func checkEvictions(since before: Standing?) {
    let hasEvicted = engine.effects.contains { effect in
      if case .removed(.host, _, .evicted) = effect { true } else { false }
    }
    guard hasEvicted, let before, let after = standing() else { return }
    for column in 0..<2 where !before.isFull[column] && !after.isFull[column] {
      var gone: [TenantID: RetentionLevel] = [:]
      for (ref, level) in before.levels
      where Int(ref.classID.rawValue) == column && after.levels[ref] == nil {
        let owner = before.owners[ref] ?? .standard
        gone[owner] = max(level, gone[owner] ?? .low)
      }
      for (ref, level) in after.levels
      where Int(ref.classID.rawValue) == column && !after.held.contains(ref) {
        guard let old = before.levels[ref], !before.held.contains(ref),
          let most = gone[before.owners[ref] ?? .standard]
        else { continue }
        check(max(old, level) >= most, "a block left before one that is worth less")
      }
    }
  }

  /// What is covered, and ready, is worth what its request says, unless there is no room for it.
  mutating func checkGranted(
    _ id: RequestID, _ prompt: Prompt, _ positions: Range<Int>, _ firstOffered: [Int]
  ) {
    guard let ranges = said[id] else { return }
    // Who had to leave may have been above normal, and have left room for who was not granted it.
    let hasRemoved = engine.effects.contains { if case .removed = $0 { true } else { false } }
    for (group, place) in Self.namespaces[prompt.namespace].enumerated() {
      let first = positions.lowerBound + firstOffered[group]
      guard first < positions.upperBound else { continue }
      for tier in Tier.allCases {
        let hasRoom = !hasRemoved && !isFullAbove(tier, place.classID)
        for position in first..<positions.upperBound {
          let wanted = ranges.worth(at: position, time.nanoseconds).level
          let name = prompt.keys[position].inGroup(group)
          guard level(of: name, .host, place.classID) != nil,
            let level = level(of: name, tier, place.classID)
          else { continue }
          check(level >= min(wanted, .normal), "a block is worth less than its request says")
          check(level >= wanted || !hasRoom, "a block is worth less, and there is room")
        }
      }
    }
  }

  private func level(of name: BlockKey, _ tier: Tier, _ classID: ClassID) -> RetentionLevel? {
    var found: RetentionLevel?
    engine.forEachRegistered(tier, classID) { block, record in
      if record.key.inGroup(Int(record.group)) == name {
        found = engine.retention(of: BlockRef(tier: tier, classID: classID, block: block)).level
      }
    }
    return found
  }

  /// Bounds are kept, nothing is worth more than somebody has said, and all ends with its time.
  mutating func checkWorths() {
    for tier in Tier.allCases {
      for column in 0..<2 {
        let classID = ClassID(UInt8(column))
        guard engine.hasRetained(tier, classID) || engine.pinnedCount(classID) > 0 else { continue }
        var unheldAbove: [TenantID: Int] = [:]
        var pinCount = 0
        var wrong: String?
        engine.forEachRegistered(tier, classID) { block, record in
          let ref = BlockRef(tier: tier, classID: classID, block: block)
          let worth = engine.retention(of: ref)
          if worth.level != .normal {
            let name = record.key.inGroup(Int(record.group))
            if !worths[column].explains(worth, name) { wrong = "nobody said \(worth)" }
            if isOver(worth.until) { wrong = "a worth has outlived its time" }
            if worth.level > .normal && !engine.isHeld(ref) {
              unheldAbove[engine.owner(of: ref), default: 0] += 1
            }
          }
          if let end = engine.pinEnd(of: ref) {
            pinCount += 1
            if !engine.isHeld(ref) { wrong = "a pin that holds nothing" }
            if isOver(end) { wrong = "a pin has outlived its time" }
          }
        }
        if let wrong { check(false, wrong) }
        for (tenant, count) in unheldAbove {
          let above = aboveLimit(tier, classID, tenant)
          check(count <= above, "\(count) blocks above normal, of \(above)")
        }
        let pinLimit = limit(.host, classID, limits.pinPercent)
        check(pinCount <= pinLimit, "\(pinCount) blocks are pinned, of \(pinLimit)")
        check(tier == .disk || pinCount == engine.pinnedCount(classID), "a pin on nothing")
      }
    }
  }

  /// Whether the engine must have noticed that a time is over: nothing was called since.
  private func isOver(_ end: UInt64) -> Bool {
    isTicked && end < .max && end + Self.retentionTick <= time.nanoseconds
  }

  /// A block has left the host tier, or was found in it anew.
  mutating func checkPin(of record: BlockRecord, _ classID: ClassID, _ reason: RemovalReason) {
    let name = record.key.inGroup(Int(record.group))
    guard let end = pins[Int(classID.rawValue)].removeValue(forKey: name) else { return }
    check(reason != .evicted || end <= time.nanoseconds, "a pinned block was evicted")
  }

  /// What a scan found is worth what its header says, unless there is no room for it.
  mutating func checkAdoptedWorth(_ residents: [Resident], _ classID: ClassID) {
    let isFull = isFullAbove(.disk, classID)
    var slots: [UInt32: RetentionLevel] = [:]
    engine.forEachRegistered(.disk, classID) { block, _ in
      let ref = BlockRef(tier: .disk, classID: classID, block: block)
      slots[block.slot.rawValue] = engine.retention(of: ref).level
    }
    for resident in residents {
      // Of two copies the later one counts.
      guard let level = slots[resident.slot] else { continue }
      let wanted = resident.retention.level
      check(level == wanted || wanted > .normal && isFull, "a scan forgets a worth")
    }
  }

  /// What a share of a class's usable slots comes to.
  func limit(_ tier: Tier, _ classID: ClassID, _ percent: Int) -> Int {
    let usable = usableCount(tier, classID)
    let isOpen = tier == .disk && isScanning[Int(classID.rawValue)]
    return isOpen ? usable : usable * percent / 100
  }

  /// A class's usable slots.
  func usableCount(_ tier: Tier, _ classID: ClassID) -> Int {
    extents.reduce(0) { sum, extent in
      let isCounted = extent.isUsable && extent.tier == tier && extent.classID == classID
      return sum + (isCounted ? extent.slots.count : 0)
    }
  }
}
