import BlockEngine
import BlockIdentity
import DiskTier
import HostTier
import KVLayout
import Synchronization

extension NodeCore {
  /// A class that wants memory, and which extent it would get.
  struct HostNeed {
    /// The class, its host memory, and the first extent there that has no pages.
    let classID: ClassID
    let memory: HostMemory
    let extent: Int
    /// Of all classes together.
    let populatedBytes: Int
  }

  /// The class most in need of a host extent; nil when none is.
  func hostNeed() -> HostNeed? {
    state.withLock { state in
      let populatedBytes = state.classes.reduce(0) { $0 + $1.populatedBytes }
      for slotClass in state.classes where state.isServing(slotClass.id) {
        guard let extent = slotClass.nextUnpopulated else { continue }
        let freeCount = state.engine.counts(.host, slotClass.id)?.free ?? 0
        guard freeCount < slotClass.slotsAhead else { continue }
        return HostNeed(
          classID: slotClass.id, memory: slotClass.memory, extent: extent,
          populatedBytes: populatedBytes)
      }
      return nil
    }
  }

  /// Hands a populated extent's slots to the engine.
  func addHostExtent(_ classID: ClassID, _ extent: Int) {
    let now = Clock.now
    state.withLock { state in
      let index = Int(classID.rawValue)
      state.classes[index].setPopulated(extent, true)
      state.engine.addExtent(
        .host, classID, slots: state.classes[index].hostSlots(ofExtent: extent))
      state.settle(now: now)
    }
  }

  /// Takes an extent's memory from a class that no engine uses.
  ///
  /// - Returns: Whether there was one; the memory is free then.
  func reclaimIdleHostExtent(for needy: ClassID) -> Bool {
    let now = Clock.now
    let reclaimed: (HostMemory, Int)? = state.withLock { state in
      for index in state.classes.indices {
        let slotClass = state.classes[index]
        guard slotClass.id != needy, !state.isServing(slotClass.id),
          let extent = slotClass.lastPopulated,
          state.engine.retireExtent(
            .host, slotClass.id, slots: slotClass.hostSlots(ofExtent: extent))
        else { continue }
        state.classes[index].setPopulated(extent, false)
        state.settle(now: now)
        return (slotClass.memory, extent)
      }
      return nil
    }
    guard let (memory, extent) = reclaimed else { return false }
    return (try? memory.release(extent: extent)) != nil
  }

  /// Whether a class has slots in every tier.
  func isUsable(_ classID: ClassID) -> Bool {
    state.withLock { state in
      let host = state.engine.counts(.host, classID)?.usable ?? 0
      let disk = state.engine.counts(.disk, classID)?.usable ?? 0
      return host > 0 && (store == nil || disk > 0)
    }
  }

  // MARK: Disk

  /// A class that wants disk space; nil when none does.
  func diskNeed() -> (classID: ClassID, slotBytes: Int)? {
    state.withLock { state in
      for slotClass in state.classes where state.isServing(slotClass.id) {
        let freeCount = state.engine.counts(.disk, slotClass.id)?.free ?? 0
        let extentSlots = slotClass.diskExtents.last?.extent.slotCount ?? 1
        if freeCount < max(1, extentSlots / 2) { return (slotClass.id, slotClass.slotBytes) }
      }
      return nil
    }
  }

  /// Hands an empty extent's slots to the engine.
  ///
  /// - Returns: Whether there were slot numbers for it; if not, nothing refers to it.
  func addDiskExtent(_ classID: ClassID, _ extent: DiskExtent) -> Bool {
    let now = Clock.now
    return state.withLock { state in
      guard let slots = state.classes[Int(classID.rawValue)].enter(extent) else { return false }
      state.engine.addExtent(.disk, classID, slots: slots)
      state.settle(now: now)
      return true
    }
  }

  /// Gives up an extent on disk of a class that no engine uses.
  func reclaimIdleDiskExtent(for needy: ClassID) -> Bool {
    let now = Clock.now
    let reclaimed: DiskExtent? = state.withLock { state in
      for index in state.classes.indices {
        let slotClass = state.classes[index]
        guard slotClass.id != needy, !state.isServing(slotClass.id) else { continue }
        for place in slotClass.diskExtents.indices
        where state.engine.retireExtent(
          .disk, slotClass.id, slots: slotClass.diskSlots(at: place))
        {
          let extent = slotClass.diskExtents[place].extent
          state.classes[index].removeDiskExtent(at: place)
          state.settle(now: now)
          return extent
        }
      }
      return nil
    }
    guard let extent = reclaimed, let store else { return false }
    return (try? store.deleteExtent(extent)) != nil
  }

  /// Enters what a scan found; returns how many blocks.
  func adopt(_ extent: DiskExtent, _ scan: ExtentScan) -> Int {
    let now = Clock.now
    return state.withLock { state in
      guard
        let classID = try? state.openClass(
          slotBytes: extent.slotBytes, hostCapacityBytes: configuration.hostCapacityBytes,
          diskCapacityBytes: configuration.disk?.capacityBytes),
        let slots = state.classes[Int(classID.rawValue)].enter(extent)
      else { return 0 }
      var residents: [Resident] = []
      for block in scan.blocks {
        let description = block.description
        guard description.key.high != 0,
          let id = state.scannedNamespace(
            description.namespace, group: Int(description.group), shape: description.shape)
        else { continue }
        residents.append(
          Resident(
            slot: slots.lowerBound + UInt32(block.slot),
            record: BlockRecord(
              key: description.key, parentKey: description.parentKey,
              position: description.position,
              group: UInt8(truncatingIfNeeded: description.group), namespace: id),
            writeSequence: description.writeSequence,
            lastUsed: UInt64(max(0, description.lastUsedUnixNanoseconds))))
      }
      addUsable(slots, scan.occupiedSlots, classID, residents, &state)
      state.settle(now: now)
      return residents.count
    }
  }

  /// Slots that another version wrote stay out of use: the runs between them are added.
  private func addUsable(
    _ slots: Range<UInt32>, _ occupied: [Int], _ classID: ClassID, _ residents: [Resident],
    _ state: inout NodeState
  ) {
    var first = slots.lowerBound
    for end in occupied.map({ slots.lowerBound + UInt32($0) }) + [slots.upperBound] {
      if first < end {
        let run = first..<end
        state.engine.addExtent(
          .disk, classID, slots: run, residents: residents.filter { run.contains($0.slot) })
      }
      first = end + 1
    }
  }

  /// Has the engine order what the scans found: lineage and last use are known from now on.
  func finishScan() {
    let now = Clock.now
    state.withLock { state in
      for slotClass in state.classes { state.engine.finishScan(slotClass.id) }
      state.settle(now: now)
    }
  }
}

extension NodeState {
  /// Whether an engine that is attached has blocks in the class.
  func isServing(_ classID: ClassID) -> Bool {
    servedClasses[Int(classID.rawValue), default: 0] > 0
  }
}
