import BlockEngine
import KVBMTesting
import Testing

/// A block of a sequence, by its index and its group.
private struct Piece: Hashable {
  let index: Int
  let group: Int

  init(index: Int, group: Int) {
    self.index = index
    self.group = group
  }

  init(_ record: BlockRecord) {
    self.init(index: Int(record.position), group: Int(record.group))
  }
}

/// What is where, and what follows from the definition of a usable prefix: sets and nothing else.
private struct NaiveWindows {
  var places: [GroupPlace]
  var host: Set<Piece> = []
  var disk: Set<Piece> = []
  var stagingHoldLimit = 0
  var readLimit = 0
  /// `[class]`
  var hostSlotCounts: [Int] = []

  /// The blocks that a prefix of `count` needs.
  func needed(_ count: Int) -> Set<Piece> {
    var pieces: Set<Piece> = []
    for (group, place) in places.enumerated() {
      for index in 0..<count where index + (place.windowBlocks ?? count) >= count {
        pieces.insert(Piece(index: index, group: group))
      }
    }
    return pieces
  }

  /// The longest of at most `limit` that all blocks are in `there` of.
  func usable(_ limit: Int, _ there: Set<Piece>) -> Int {
    (0...limit).last { needed($0).isSubset(of: there) } ?? 0
  }

  /// The longest that can become ready beside a promise of `readyCount`.
  func target(_ limit: Int, _ readyCount: Int) -> Int {
    (readyCount...limit).last { $0 == readyCount || isPossible($0, readyCount) } ?? readyCount
  }

  private func isPossible(_ count: Int, _ readyCount: Int) -> Bool {
    let promised = needed(readyCount)
    // A full group's blocks of the ready prefix are not held again.
    let wanted = needed(count).filter {
      places[$0.group].windowBlocks != nil || $0.index >= readyCount
    }
    let reads = wanted.subtracting(host)
    guard reads.isSubset(of: disk), reads.count <= readLimit else { return false }
    for column in 0..<2 {
      func isHere(_ piece: Piece) -> Bool { Int(places[piece.group].classID.rawValue) == column }
      let slotsTaken = promised.union(wanted.intersection(host)).filter(isHere).count
      guard wanted.filter(isHere).count <= stagingHoldLimit,
        slotsTaken + reads.filter(isHere).count <= hostSlotCounts[column]
      else { return false }
    }
    return true
  }
}

@Suite("Windowed groups against a naive model")
struct WindowModelTests {
  @Test(
    "What is promised, staged and loaded is what the definition says",
    arguments: 1...4 as ClosedRange<UInt64>)
  func random(seed: UInt64) throws {
    print("seed \(seed)")
    var random = Random(seed: seed)
    var seen = (ready: 0, pending: 0, lacking: 0)
    for _ in 0..<2_000 {
      let length = 1 + random.below(9)
      var model = NaiveWindows(
        places: (0...random.below(3)).map { _ in
          GroupPlace(
            classID: ClassID(UInt8(random.below(2))), partCount: 1,
            windowBlocks: random.oneIn(3) ? nil : 1 + random.below(5))
        })
      model.stagingHoldLimit = 1 + random.below(24)
      model.readLimit = 1 + random.below(16)
      guard model.places.contains(where: { $0.windowBlocks != nil }) else { continue }
      try play(&model, length, &random, &seen)
    }
    #expect(seen.ready > 100 && seen.pending > 100 && seen.lacking > 50)
  }

  private func play(
    _ model: inout NaiveWindows, _ length: Int, _ random: inout Random,
    _ seen: inout (ready: Int, pending: Int, lacking: Int)
  ) throws {
    var engine = try world(&model, length, &random)
    let names = keys(0..<length)
    let ready = model.usable(length, model.host)
    let target = model.target(length, ready)
    let match = engine.match(request(1), in: NamespaceID(0), keys: names, now: now)
    #expect(match == Match(readyCount: ready, pendingCount: target - ready))
    try engine.checkInvariants()
    if ready > 0 { seen.ready += 1 }
    if target > ready { seen.pending += 1 }
    if target < model.usable(length, model.host.union(model.disk)) { seen.lacking += 1 }

    var effects: [Effect] = []
    engine.drain(into: &effects)
    for effect in effects {
      switch effect {
      case .read(let operation, let record, _, _):
        engine.completed(operation, part: 0, .success, now: now)
        model.host.insert(Piece(record))
      case .removed(.host, let record, _):
        model.host.remove(Piece(record))
      default:
        break
      }
    }
    // What was chosen, or more: blocks that there was no budget to hold may still be there.
    let last = engine.match(request(1), in: NamespaceID(0), keys: names, now: now).readyCount
    #expect(last >= target && last == model.usable(length, model.host))
    engine.drain(into: &effects)
    _ = engine.commit(request(1), count: last, now: now)
    try engine.checkInvariants()
    engine.drain(into: &effects)
    let loaded = effects.compactMap { effect -> Piece? in
      guard case .onboard(_, _, let index, let group, let source) = effect else { return nil }
      #expect(engine.record(of: source)?.key == names[index])
      #expect(engine.record(of: source)?.group == UInt8(group))
      return Piece(index: index, group: group)
    }
    #expect(Set(loaded) == model.needed(last) && Set(loaded).count == loaded.count)
  }

  private var now: Time { Time(nanoseconds: 1) }

  /// An engine that has each block in one tier, in both or in none, by dice.
  private func world(
    _ model: inout NaiveWindows, _ length: Int, _ random: inout Random
  ) throws -> BlockEngine {
    var limits = Limits()
    // Small tables, or making an engine takes longer than all the rest.
    (limits.requestLimit, limits.storeLimit, limits.writeLimit) = (1, 1, 1)
    limits.stagingHoldLimit = model.stagingHoldLimit
    limits.readLimit = model.readLimit
    var engine = BlockEngine(limits: limits, epoch: 1, seed: 5)
    for column in 0..<2 { _ = try engine.open(slotBytes: 64 + column, host: 64, disk: 64) }
    let namespace = engine.openNamespace(groups: model.places)
    #expect(namespace == NamespaceID(0))
    let odds = (host: 1 + random.below(6), disk: 1 + random.below(4))
    for column in 0..<2 {
      var (inHost, onDisk): ([Resident], [Resident]) = ([], [])
      for (group, place) in model.places.enumerated() where Int(place.classID.rawValue) == column {
        for index in 0..<length {
          let piece = Piece(index: index, group: group)
          if !random.oneIn(odds.host) {
            model.host.insert(piece)
            inHost.append(resident(piece, slot: UInt32(inHost.count)))
          }
          if !random.oneIn(odds.disk) {
            model.disk.insert(piece)
            onDisk.append(resident(piece, slot: UInt32(onDisk.count)))
          }
        }
      }
      let hostCount = inHost.count + random.below(6)
      model.hostSlotCounts.append(hostCount)
      let classID = ClassID(UInt8(column))
      engine.addExtent(.host, classID, slots: 0..<UInt32(hostCount), residents: inHost)
      engine.addExtent(.disk, classID, slots: 0..<UInt32(onDisk.count), residents: onDisk)
    }
    return engine
  }

  private func resident(_ piece: Piece, slot: UInt32) -> Resident {
    Resident(
      slot: slot,
      record: BlockRecord(
        key: key(piece.index), parentKey: piece.index == 0 ? root : key(piece.index - 1),
        position: UInt32(piece.index), group: UInt8(piece.group), namespace: NamespaceID(0)),
      writeSequence: 1, lastUsed: 1)
  }
}
