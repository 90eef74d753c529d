import BlockEngine
import Testing

@Suite("Classes, extents and scans")
struct MemoryTests {
  private func resident(
    _ position: Int, slot: UInt32, sequence: UInt64, lastUsed: UInt64 = 0
  ) -> Resident {
    Resident(
      slot: slot,
      record: BlockRecord(
        key: key(position), parentKey: position == 0 ? root : key(position - 1),
        position: UInt32(position), group: 0, namespace: NamespaceID(0)),
      writeSequence: sequence, lastUsed: lastUsed)
  }

  @Test("A class is opened once for each size, and there are at most 16")
  func classes() throws {
    var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1)
    for size in 1...16 {
      let first = engine.openClass(slotBytes: size, hostSlotLimit: 1, diskSlotLimit: 1)
      let again = engine.openClass(slotBytes: size, hostSlotLimit: 9, diskSlotLimit: 9)
      #expect(first == ClassID(UInt8(size - 1)) && again == first)
    }
    let extra = engine.openClass(slotBytes: 17, hostSlotLimit: 1, diskSlotLimit: 1)
    #expect(extra == nil)
    #expect(engine.classCount == 16)
    #expect(engine.counts(.host, ClassID(16)) == nil)
    try engine.checkInvariants()
  }

  @Test("Classes share nothing: one's pressure does not evict another's blocks")
  func separation() throws {
    var rig = try Rig(host: 2)
    let other = try rig.engine.open(slotBytes: 128, host: 2, disk: 0)
    rig.engine.addExtent(.host, other, slots: 0..<2)
    let namespace = try rig.engine.open(groups: 1, in: other)
    _ = try rig.store(request(1), keys(0..<2))
    try rig.finishAll()
    _ = rig.engine.prepareStore(
      request(1), in: namespace, keys: keys(0..<2, sequence: 7), now: rig.now)
    try rig.settle()
    try rig.finishAll()
    #expect(try rig.match(request(2), keys(0..<2)).readyCount == 2)
    #expect(rig.engine.counters.hostEvictions == 0)
  }

  @Test("Of two copies the later write stays, within an extent and across extents")
  func duplicates() throws {
    var rig = try Rig(disk: 0)
    let disk = try rig.engine.open(slotBytes: 128, host: 0, disk: 8)
    func slot(_ position: Int) -> UInt32? {
      var found: UInt32?
      rig.engine.forEachRegistered(.disk, disk) { block, record in
        if record.key == key(position) { found = block.slot.rawValue }
      }
      return found
    }
    rig.engine.addExtent(
      .disk, disk, slots: 0..<4,
      residents: [
        resident(0, slot: 0, sequence: 5), resident(0, slot: 1, sequence: 9),
        resident(1, slot: 2, sequence: 9), resident(1, slot: 3, sequence: 5),
      ])
    try rig.settle()
    #expect(slot(0) == 1 && slot(1) == 2)
    rig.engine.addExtent(
      .disk, disk, slots: 4..<8,
      residents: [resident(0, slot: 4, sequence: 10), resident(1, slot: 5, sequence: 8)])
    try rig.settle()
    #expect(slot(0) == 4 && slot(1) == 2)
    #expect(rig.engine.counts(.disk, disk) == SlotCounts(free: 6, cached: 2))
  }

  @Test("After a scan, blocks go in the order of their use, and tails before their prefixes")
  func order() throws {
    var rig = try Rig(disk: 0)
    let other = try rig.engine.open(slotBytes: 128, host: 8, disk: 4)
    let namespace = try rig.engine.open(groups: 1, in: other)
    rig.engine.addExtent(.host, other, slots: 0..<8)
    // Children are found before their parents; the longest unused is an inner block.
    rig.engine.addExtent(
      .disk, other, slots: 2..<4,
      residents: [
        resident(2, slot: 2, sequence: 1, lastUsed: 30),
        resident(7, slot: 3, sequence: 1, lastUsed: 20),
      ])
    rig.engine.addExtent(
      .disk, other, slots: 0..<2,
      residents: [
        resident(1, slot: 0, sequence: 1, lastUsed: 10),
        resident(0, slot: 1, sequence: 1, lastUsed: 5),
      ])
    rig.engine.finishScan(other)
    try rig.settle()
    rig.effects = []
    for number in 0..<4 {
      _ = rig.engine.prepareStore(
        request(1), in: namespace, keys: [key(0, sequence: 10 + number)], now: rig.now)
      try rig.settle()
      for operation in rig.effects.compactMap(\.operation) {
        rig.engine.completed(operation, part: 0, .success, now: rig.now)
      }
      try rig.settle()
    }
    let removed = rig.effects.compactMap { effect in
      if case .removed(.disk, let record, .evicted) = effect { record.position } else { nil }
    }
    #expect(removed == [7, 2, 1, 0])
  }

  @Test("An extent is retired when nobody uses it, and what it held is gone")
  func retire() throws {
    var rig = try Rig(host: 4)
    _ = try rig.store(request(1), keys(0..<2))
    let isRetiredEarly = rig.engine.retireExtent(.host, rig.classID, slots: 0..<2)
    #expect(!isRetiredEarly)
    try rig.finishAll()
    let isRetired = rig.engine.retireExtent(.host, rig.classID, slots: 0..<2)
    #expect(isRetired)
    try rig.settle()
    #expect(rig.counts(.host) == SlotCounts(absent: 2, free: 2))
    #expect(try rig.match(request(2), keys(0..<2)) == .none)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<2)
    #expect(try rig.store(request(1), keys(0..<4)).offloadCount == 4)
  }

  @Test("Memory that comes late is used as it comes")
  func late() throws {
    var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1)
    let classID = try engine.open(slotBytes: 64, host: 1 << 24, disk: 1 << 26)
    let namespace = try engine.open(groups: 1, in: classID)
    for extent in 0..<3 as Range<UInt32> {
      let first = Int(extent) * 2
      let before = engine.prepareStore(
        request(1), in: namespace, keys: keys(first..<(first + 4)), now: Time(nanoseconds: 1))
      #expect(before.offloadCount == 0)
      engine.addExtent(.host, classID, slots: (extent * 2)..<(extent * 2 + 2))
      let after = engine.prepareStore(
        request(1), in: namespace, keys: keys(first..<(first + 4)), now: Time(nanoseconds: 1))
      #expect(after == StoreAnswer(coveredCount: 2, offloadCount: 2))
    }
  }

  @Test("Every counter has a name of its own")
  func counters() {
    var counters = Counters()
    counters.matches = 3
    counters.add(counters)
    var names: Set<String> = []
    var sum = 0
    counters.visit { name, value in
      names.insert(name)
      sum += value
    }
    #expect(sum == 6)
    #expect(names.count == Mirror(reflecting: counters).children.count)
    for child in Mirror(reflecting: counters).children {
      #expect(names.contains(child.label ?? ""))
    }
  }
}

@Suite("Misuse of a BlockEngine traps")
struct EngineTraps {
  @Test("A resident outside its extent")
  func outside() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1)
      _ = engine.openClass(slotBytes: 1, hostSlotLimit: 1, diskSlotLimit: 8)
      let record = BlockRecord(
        key: root, parentKey: root, position: 0, group: 0, namespace: NamespaceID(0))
      engine.addExtent(
        .disk, ClassID(0), slots: 0..<4,
        residents: [Resident(slot: 4, record: record, writeSequence: 0, lastUsed: 0)])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a resident outside its extent"))
  }

  @Test("More operations than ids")
  func operations() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var limits = Limits()
      limits.storeLimit = 1 << 16
      _ = BlockEngine(limits: limits, epoch: 1, seed: 1)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("less than 65536 operations"))
  }

  @Test("A group in a class that was not opened")
  func place() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1)
      _ = engine.openNamespace(groups: [GroupPlace(classID: ClassID(0), partCount: 1)])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a class that was not opened"))
  }

  @Test("A window without blocks")
  func window() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var engine = BlockEngine(limits: Limits(), epoch: 1, seed: 1)
      _ = engine.openClass(slotBytes: 1, hostSlotLimit: 1, diskSlotLimit: 8)
      let place = GroupPlace(classID: ClassID(0), partCount: 1, windowBlocks: 0)
      _ = engine.openNamespace(groups: [place])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a window has at least 1 block"))
  }
}
