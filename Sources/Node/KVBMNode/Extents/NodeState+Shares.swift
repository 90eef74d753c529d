import BlockEngine
import DiskTier

extension NodeState {
  /// What each class has of host memory, and how it was used of late.
  mutating func hostShares() -> [ExtentBalance.Share] {
    while isTurnedOver(classes.map { ($0.hostUsedBytes, $0.populatedBytes) }) {
      for index in classes.indices { classes[index].fadeHost() }
    }
    var shares: [ExtentBalance.Share] = []
    for slotClass in classes {
      let isServing = isServing(slotClass.id)
      guard isServing || slotClass.populatedCount > 0 else { continue }
      let free = engine.counts(.host, slotClass.id)?.free ?? 0
      let canGrow = slotClass.populatedCount < slotClass.memory.extentCount
      let extentBytes = slotClass.memory.extentBytes
      shares.append(
        ExtentBalance.Share(
          classID: slotClass.id, isServing: isServing, extentBytes: extentBytes,
          growthBytes: extentBytes, heldBytes: slotClass.populatedBytes,
          coldBytes: slotClass.hostColdBytes, freeBytes: free * slotClass.slotBytes,
          wantedFreeBytes: canGrow ? slotClass.slotsAhead * slotClass.slotBytes : 0,
          usedBytes: slotClass.hostUsedBytes))
    }
    return shares
  }

  /// What each class has of the disk, and how it was used of late.
  mutating func diskShares(_ store: DiskStore) -> [ExtentBalance.Share] {
    while isTurnedOver(classes.map { ($0.diskUsedBytes, $0.diskBytes) }) {
      for index in classes.indices { classes[index].fadeDisk() }
    }
    var shares: [ExtentBalance.Share] = []
    for slotClass in classes {
      let isServing = isServing(slotClass.id)
      guard isServing || !slotClass.diskExtents.isEmpty else { continue }
      let free = engine.counts(.disk, slotClass.id)?.free ?? 0
      let extentBytes = store.extentBytes(slotBytes: slotClass.slotBytes)
      shares.append(
        ExtentBalance.Share(
          classID: slotClass.id, isServing: isServing, extentBytes: extentBytes,
          growthBytes: max(slotClass.slotBytes, extentBytes / 4), heldBytes: slotClass.diskBytes,
          coldBytes: slotClass.diskColdBytes, freeBytes: free * slotClass.slotBytes,
          wantedFreeBytes: max(slotClass.slotBytes, extentBytes / 2),
          usedBytes: slotClass.diskUsedBytes))
    }
    return shares
  }

  /// Whether a tier's uses come to twice what it holds.
  private func isTurnedOver(_ classes: [(used: Int, held: Int)]) -> Bool {
    let held = classes.reduce(0) { $0 + $1.held }
    return classes.reduce(0) { $0 + $1.used } > 2 * max(1, held)
  }

  /// Whether an engine that is attached has blocks in the class.
  func isServing(_ classID: ClassID) -> Bool {
    servedClasses[Int(classID.rawValue), default: 0] > 0
  }

  /// Notes which slots an effect uses.
  mutating func noteUse(_ effect: Effect) {
    switch effect {
    case .offload(_, _, _, _, let block), .onboard(_, _, _, _, let block): noteUse(of: block)
    case .read(_, _, let source, let target):
      noteUse(of: source)
      noteUse(of: target)
    case .write(_, _, _, let target), .get(_, _, let target): noteUse(of: target)
    case .put, .look, .removed, .refused, .stored, .loadEnded: break
    }
  }

  private mutating func noteUse(of block: BlockRef) {
    let index = Int(block.classID.rawValue)
    switch block.tier {
    case .host: classes[index].noteHostUse(block.block.slot.index)
    case .disk: classes[index].noteDiskUse(block.block.slot.rawValue)
    }
  }
}
