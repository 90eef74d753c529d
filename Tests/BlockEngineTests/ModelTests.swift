import BlockEngine
import KVBMTesting
import Testing

/// Where blocks are, by what the engine has told: dictionaries and nothing else.
private struct NaiveTiers {
  var host: Set<BlockKey> = []
  var disk: Set<BlockKey> = []
  var isRight = true

  mutating func take(_ effect: Effect) {
    switch effect {
    case .stored(.host, let record): isRight = host.insert(record.key).inserted && isRight
    case .stored(.disk, let record): isRight = disk.insert(record.key).inserted && isRight
    case .removed(.host, let record, _): isRight = host.remove(record.key) != nil && isRight
    case .removed(.disk, let record, _): isRight = disk.remove(record.key) != nil && isRight
    default: break
    }
  }

  func readyCount(_ keys: [BlockKey]) -> Int { keys.prefix { host.contains($0) }.count }
}

@Suite("BlockEngine against a naive model")
struct EngineModelTests {
  @Test("Matches answer what dictionaries would", arguments: 1...8 as ClosedRange<UInt64>)
  func random(seed: UInt64) throws {
    print("seed \(seed)")
    var random = Random(seed: seed)
    var rig = try Rig(host: 10, disk: 20)
    var model = NaiveTiers()
    var number: UInt64 = 0
    for _ in 0..<3_000 {
      let sequence = random.below(5)
      let names = keys(0..<(1 + random.below(6)), sequence: sequence)
      number += 1
      if random.oneIn(2) {
        _ = try rig.store(request(number), names)
      } else {
        try ask(request(number), names, &rig, model, &random)
      }
      let failing = random.oneIn(8)
      while !rig.effects.isEmpty {
        for effect in rig.effects { model.take(effect) }
        for operation in rig.take() {
          try rig.report(operation, failing ? .failure : .success)
        }
      }
      #expect(model.isRight, "a block came twice, or left without having come")
      #expect(rig.counts(.host).cached + rig.counts(.host).pinned == model.host.count)
      #expect(rig.counts(.disk).cached + rig.counts(.disk).pinned == model.disk.count)
      rig.engine.cancel(request(number))
      rig.now = rig.now + 1000
    }
    #expect(rig.engine.counters.blocksLoaded > 100 && rig.engine.counters.blocksStaged > 100)
  }

  private func ask(
    _ id: RequestID, _ names: [BlockKey], _ rig: inout Rig, _ model: NaiveTiers,
    _ random: inout Random
  ) throws {
    let match = try rig.match(id, names)
    let readyCount = model.readyCount(names)
    #expect(match.readyCount == readyCount)
    let isKnown = readyCount < names.count && model.disk.contains(names[readyCount])
    #expect((match.pendingCount > 0) == isKnown)
    guard readyCount > 0, random.oneIn(2) else { return }
    let operation = try rig.commit(id, readyCount)
    #expect(operation != nil)
  }
}
