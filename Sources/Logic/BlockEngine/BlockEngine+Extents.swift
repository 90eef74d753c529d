/// Classes, namespaces, and the memory that comes and goes.
extension BlockEngine {
  /// The class of slots of that size; a new one where none has it yet.
  ///
  /// - Parameters:
  ///   - slotBytes: The size, positive.
  ///   - hostSlotLimit: Slots that the host tier may ever have in this class, at least 0; looked at
  ///     when the class is new, as is `diskSlotLimit`. Slots become usable by `addExtent`.
  /// - Returns: Nil when there are 16 classes already.
  public mutating func openClass(
    slotBytes: Int, hostSlotLimit: Int, diskSlotLimit: Int
  ) -> ClassID? {
    precondition(slotBytes > 0, "a slot has bytes")
    if let index = pools.slotBytes.firstIndex(of: slotBytes) { return ClassID(UInt8(index)) }
    guard pools.classCount < PoolTable.classLimit else { return nil }
    return pools.append(
      slotBytes: slotBytes, hostSlotLimit: hostSlotLimit, diskSlotLimit: diskSlotLimit,
      seed: seed ^ UInt64(pools.classCount + 1) &* 0x9E37_79B9_7F4A_7C15)
  }

  /// A new namespace whose groups lie in these places.
  ///
  /// Without groups it only names what a scan finds; nothing is stored or matched in it until
  /// `place`. To know which namespaces are the same is the caller's business.
  ///
  /// - Returns: Nil when there are `limits.namespaceLimit` already.
  public mutating func openNamespace(groups: [GroupPlace] = []) -> NamespaceID? {
    guard namespaces.count < limits.namespaceLimit else { return nil }
    checkPlaces(groups)
    namespaces.append(bugs.contains(.shortWindow) ? groups.map(\.shortened) : groups)
    return NamespaceID(UInt16(namespaces.count - 1))
  }

  /// Gives a namespace that was opened without groups its groups.
  ///
  /// - Returns: Whether these are its groups now; false when it has others, or does not exist.
  @discardableResult
  public mutating func place(_ groups: [GroupPlace], of namespace: NamespaceID) -> Bool {
    let index = Int(namespace.rawValue)
    guard index < namespaces.count else { return false }
    checkPlaces(groups)
    if namespaces[index].isEmpty { namespaces[index] = groups }
    return namespaces[index] == groups
  }

  private func checkPlaces(_ groups: [GroupPlace]) {
    precondition(groups.count <= 64, "a namespace has at most 64 groups")
    for group in groups {
      precondition(pools.contains(group.classID), "a group lies in a class that was not opened")
      precondition((1...32).contains(group.partCount), "a block has 1 to 32 parts")
      precondition(group.windowBlocks ?? 1 > 0, "a window has at least 1 block")
    }
  }

  /// Makes slots usable, with what a scan found in them.
  ///
  /// The residents are registered and cached. Of two with one key the later write stays; the other
  /// one's slot is free. Their order of use and their lineage are known after `finishScan`.
  ///
  /// - Parameters:
  ///   - slots: Slots of the class that are not usable yet.
  ///   - residents: Each in one of these slots, at most one a slot; with keys other than `none`.
  /// - Complexity: O(`slots.count`), and O(usable slots) when the index grows.
  public mutating func addExtent(
    _ tier: Tier, _ classID: ClassID, slots: Range<UInt32>, residents: [Resident] = []
  ) {
    precondition(pools.contains(classID), "an extent of a class that was not opened")
    guard fault == nil else { return }
    do throws(PoolError) {
      let bySlot = try chooseResidents(tier, classID, slots, residents)
      own(residents, tier, classID)
      pools[tier, classID].pool.addExtent(slots) { slot in
        bySlot[slot.rawValue].map { residents[$0].record.indexKey }
      }
      // Where residents are found, they bring the bound along.
      if bySlot.isEmpty { try boundRetained(tier, classID) }
      // In the order of `residents`, for a dictionary's order is not the seed's.
      for (index, resident) in residents.enumerated() where bySlot[resident.slot] == index {
        note(resident, tier, classID)
      }
    } catch {
      poison(error)
    }
  }

  /// Which residents stay, by slot; copies that they replace are removed.
  private mutating func chooseResidents(
    _ tier: Tier, _ classID: ClassID, _ slots: Range<UInt32>, _ residents: [Resident]
  ) throws(PoolError) -> [UInt32: Int] {
    var byKey: [BlockKey: Int] = [:]
    var bySlot: [UInt32: Int] = [:]
    for (index, resident) in residents.enumerated() {
      precondition(slots.contains(resident.slot), "a resident outside its extent")
      precondition(bySlot[resident.slot] == nil, "two residents in slot \(resident.slot)")
      precondition(resident.record.indexKey != .none, "a resident without a key")
      let name = resident.record.indexKey
      if let other = byKey[name] {
        guard isLater(resident.writeSequence, residents[other].writeSequence) else { continue }
        bySlot[residents[other].slot] = nil
      } else if let block = pools[tier, classID].pool.block(for: name) {
        let note = pools[tier, classID].notes[block.slot]
        guard isLater(resident.writeSequence, note.writeSequence) else { continue }
        try pools[tier, classID].pool.remove(block)
        effects.append(.removed(tier, pools[tier, classID].records[block.slot], .replaced))
      }
      byKey[name] = index
      bySlot[resident.slot] = index
    }
    return bySlot
  }

  /// Who wrote what a scan has found pays for it.
  private func own(_ residents: [Resident], _ tier: Tier, _ classID: ClassID) {
    guard tenants.isDivided else { return }
    for resident in residents {
      let isKnown = resident.payer.index < tenants.shares.count && !bugs.contains(.disownFound)
      pools[tier, classID].pool.own(
        Slot(resident.slot), by: isKnown ? resident.payer : .standard)
    }
  }

  private func isLater(_ sequence: UInt64, _ other: UInt64) -> Bool {
    bugs.contains(.adoptOlder) ? sequence < other : sequence > other
  }

  private mutating func note(_ resident: Resident, _ tier: Tier, _ classID: ClassID) {
    guard let block = pools[tier, classID].pool.block(for: resident.record.indexKey) else { return }
    pools[tier, classID].records[block.slot] = resident.record
    pools[tier, classID].notes[block.slot] = ClassPool.Note(
      writeSequence: resident.writeSequence)
    pools[tier, classID].adopted.append(
      ClassPool.Adopted(block: block, lastUsed: resident.lastUsed))
    setRetainedLimits(tier, classID)
    if !bugs.contains(.forgetOnDisk) {
      pools[tier, classID].pool.retain(block, resident.retention, after: nil, isFirst: true)
    }
    counters.blocksAdopted += 1
    effects.append(.stored(tier, resident.record))
  }

  /// The scan of a class's disk slots is over: residents learn their parents, which may have been
  /// found after them, and go in the order of their last use, before all that was used since.
  ///
  /// - Complexity: O(n log n) of the residents, and O(capacity).
  public mutating func finishScan(_ classID: ClassID) {
    precondition(pools.contains(classID), "a scan of a class that was not opened")
    guard fault == nil else { return }
    let found = exchange(&pools[.disk, classID].adopted, with: [])
    var children: [(BlockID, BlockID)] = []
    pools[.disk, classID].pool.forEachRegistered { block, _ in
      let record = pools[.disk, classID].records[block.slot]
      if let parent = pools[.disk, classID].parent(of: record) { children.append((block, parent)) }
    }
    for (block, parent) in children { pools[.disk, classID].pool.link(block, after: parent) }
    let order = found.sorted {
      ($0.lastUsed, $0.block.slot.rawValue) < ($1.lastUsed, $1.block.slot.rawValue)
    }
    // The last one that is cooled is the coldest.
    for resident in order.reversed() {
      pools[.disk, classID].pool.coolUntouched(resident.block)
    }
    // Now that all is there, and in its order: what is beyond the share is normal.
    setRetainedLimits(.disk, classID)
    boundTenants(.disk, classID)
  }

  /// Evicts what is cached in the slots, and takes their memory away.
  ///
  /// - Returns: Whether that was possible; while one of them is pinned, filling, quarantined or not
  ///   usable, nothing changes.
  /// - Complexity: O(`slots.count` + free slots).
  public mutating func retireExtent(
    _ tier: Tier, _ classID: ClassID, slots: Range<UInt32>
  ) -> Bool {
    precondition(pools.contains(classID), "an extent of a class that was not opened")
    guard fault == nil else { return false }
    var victims = takeEvictedBuffer()
    defer { evictedBuffer = victims }
    do throws(PoolError) {
      if tier == .host { try dropPins(slots, classID) }
      guard pools[tier, classID].pool.retireExtent(slots, evicted: &victims) else { return false }
      try boundRetained(tier, classID)
    } catch {
      poison(error)
      return false
    }
    tell(removed: victims, tier, classID, .retired)
    boundTenants(tier, classID)
    return true
  }
}
