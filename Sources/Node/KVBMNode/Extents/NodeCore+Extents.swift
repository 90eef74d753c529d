import BlockEngine
import BlockIdentity
import DiskTier
import HostTier
import KVLayout
import Synchronization

extension NodeCore {
  // MARK: Host

  /// What each class has of the host tier.
  func hostShares() -> [ExtentBalance.Share] { state.withLock { $0.hostShares() } }

  /// Memory that populated extents, and one more, may cost beside their pages.
  var hostOverheadBytes: Int {
    state.withLock { state in
      state.classes.reduce(0) { $0 + $1.overheadBytes + $1.memory.extentBytes / 256 }
    }
  }

  /// Whether a class that an engine uses has fewer free slots in a tier than it should.
  var hasNeed: Bool {
    state.withLock { state in
      (state.hostShares() + (store.map { state.diskShares($0) } ?? [])).contains { $0.isInNeed }
    }
  }

  /// A class's host memory and the first extent there that has no pages.
  func nextHostExtent(_ classID: ClassID) -> (memory: HostMemory, extent: Int)? {
    state.withLock { state in
      let slotClass = state.classes[Int(classID.rawValue)]
      return slotClass.nextUnpopulated.map { (slotClass.memory, $0) }
    }
  }

  /// Hands a populated extent's slots to the engine.
  func addHostExtent(_ classID: ClassID, _ extent: Int) {
    let now = Clock.now
    state.withLock { state in
      let index = Int(classID.rawValue)
      state.classes[index].setPopulated(extent, true)
      state.hostExtents.added += 1
      state.engine.addExtent(
        .host, classID, slots: state.classes[index].hostSlots(ofExtent: extent))
      state.settle(now: now)
    }
  }

  /// Takes the memory of the least used extent of the first donor that has one without blocks in
  /// use. Its blocks are not found any more when the memory goes.
  ///
  /// - Parameter isReturned: Whether no other class is to get it.
  /// - Returns: The bytes that are free now; 0 when there was no such extent.
  func takeHostExtent(from donors: [ExtentBalance.Donor], isReturned: Bool = false) -> Int {
    let now = Clock.now
    let taken: (HostMemory, Int)? = state.withLock { state in
      for donor in donors {
        let index = Int(donor.classID.rawValue)
        for extent in state.classes[index].populatedByUse.prefix(Self.triedExtentsMax) {
          let slots = state.classes[index].hostSlots(ofExtent: extent)
          guard state.engine.retireExtent(.host, donor.classID, slots: slots) else { continue }
          state.classes[index].setPopulated(extent, false)
          if isReturned { state.hostExtents.returned += 1 }
          if !isReturned { state.hostExtents.noteMove(donor.reason) }
          state.settle(now: now)
          return (state.classes[index].memory, extent)
        }
        state.hostExtents.busy += 1
      }
      return nil
    }
    guard let (memory, extent) = taken, (try? memory.release(extent: extent)) != nil else {
      return 0
    }
    return memory.extentBytes
  }

  /// Extents of a class that are tried before the next one's turn: each may cost a look at all of
  /// its slots, under the lock.
  private static let triedExtentsMax = 32

  /// Whether a class has slots in every tier.
  func isUsable(_ classID: ClassID) -> Bool {
    state.withLock { state in
      let host = state.engine.counts(.host, classID)?.usable ?? 0
      let disk = state.engine.counts(.disk, classID)?.usable ?? 0
      return host > 0 && (store == nil || disk > 0)
    }
  }

  // MARK: Disk

  /// What each class has of the disk tier; nothing without one.
  func diskShares() -> [ExtentBalance.Share] {
    guard let store else { return [] }
    return state.withLock { $0.diskShares(store) }
  }

  /// The slot size of a class.
  func slotBytes(of classID: ClassID) -> Int {
    state.withLock { $0.classes[Int(classID.rawValue)].slotBytes }
  }

  /// Hands an empty extent's slots to the engine.
  ///
  /// - Returns: Whether there were slot numbers for it; if not, nothing refers to it.
  func addDiskExtent(_ classID: ClassID, _ extent: DiskExtent) -> Bool {
    let now = Clock.now
    return state.withLock { state in
      guard let slots = state.classes[Int(classID.rawValue)].enter(extent) else { return false }
      state.diskExtents.added += 1
      state.engine.addExtent(.disk, classID, slots: slots)
      state.settle(now: now)
      return true
    }
  }

  /// Gives up the least used extent on disk of the first donor that has one without blocks in use.
  func takeDiskExtent(from donors: [ExtentBalance.Donor]) -> Bool {
    let now = Clock.now
    let taken: DiskExtent? = state.withLock { state in
      for donor in donors {
        let index = Int(donor.classID.rawValue)
        for place in state.classes[index].diskExtentsByUse.prefix(Self.triedExtentsMax) {
          let slots = state.classes[index].diskSlots(at: place)
          guard state.engine.retireExtent(.disk, donor.classID, slots: slots) else { continue }
          let extent = state.classes[index].diskExtents[place].extent
          state.classes[index].removeDiskExtent(at: place)
          state.diskExtents.noteMove(donor.reason)
          state.settle(now: now)
          return extent
        }
        state.diskExtents.busy += 1
      }
      return nil
    }
    guard let extent = taken, let store else { return false }
    return (try? store.deleteExtent(extent)) != nil
  }

  /// Enters what a scan found; returns how many blocks.
  func adopt(_ extent: DiskExtent, _ scan: ExtentScan) -> Int {
    let (now, unixNow) = (Clock.now, Clock.unixNanoseconds)
    return state.withLock { state in
      guard
        let classID = try? state.openClass(
          slotBytes: extent.slotBytes, hostCapacityBytes: configuration.hostCapacityBytes,
          diskCapacityBytes: store?.capacityBytes),
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
            lastUsed: UInt64(max(0, description.lastUsedUnixNanoseconds)),
            retention: description.retention(now: now, unixNow: unixNow),
            payer: state.payer(ofTag: description.tenantTag)))
      }
      addUsable(slots, scan.occupiedSlots, classID, residents, &state)
      state.classes[Int(classID.rawValue)].noteAdopted(residents.count)
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
