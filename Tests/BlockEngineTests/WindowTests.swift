import BlockEngine
import Testing

/// A block of a load: where it goes.
private struct Piece: Hashable, CustomStringConvertible {
  let position: Int
  let group: Int
  var description: String { "\(position)/\(group)" }
}

@Suite("Windowed groups")
struct WindowTests {
  /// The blocks that a commit of the last match has loaded, in order.
  private func load(
    _ rig: inout Rig, _ id: RequestID, _ count: Int
  ) throws -> (operation: OperationID?, pieces: [Piece]) {
    rig.effects = []
    let operation = try rig.commit(id, count)
    let pieces = rig.effects.compactMap { effect in
      if case .onboard(_, _, let position, let group, _) = effect {
        Piece(position: position, group: group)
      } else {
        nil
      }
    }
    return (operation, pieces)
  }

  @Test("A prefix needs all blocks of full groups, and of windowed ones those of the window")
  func windowIsLoaded() throws {
    var rig = try Rig(host: 16, windows: [nil, 2])
    _ = try rig.store(request(9), keys(0..<4), firstOffered: [0, 2])
    try rig.finishAll()
    #expect(try rig.match(request(1), keys(0..<5)) == Match(readyCount: 4, pendingCount: 0))
    #expect(rig.counts(.host).pinned == 6)
    let (operation, pieces) = try load(&rig, request(1), 4)
    #expect(pieces.map(\.description) == ["0/0", "1/0", "2/0", "2/1", "3/0", "3/1"])
    rig.effects = []
    try rig.report(#require(operation))
    #expect(rig.effects == [.loadEnded(try #require(operation), request(1), loadedCount: 4)])
    #expect(rig.counts(.host).pinned == 0 && rig.engine.counters.blocksLoaded == 6)
  }

  @Test("A hole in a window ends the prefix before it, wherever the window then ends")
  func hole() throws {
    var rig = try Rig(host: 32, windows: [nil, 2, 3])
    _ = try rig.store(request(9), keys(0..<6), firstOffered: [0, 0, 6])
    try rig.finishAll()
    _ = try rig.store(request(9), keys(0..<2))
    _ = try rig.store(request(9), keys(3..<6), first: 3)
    try rig.finishAll()
    // Of the third group block 2 is missing: 3, 4 and 5 blocks have it in their window.
    #expect(try rig.match(request(1), keys(0..<5)).readyCount == 2)
    #expect(try rig.match(request(1), keys(0..<6)).readyCount == 6)
  }

  @Test("A gap that one window has can bring another window's gap into reach")
  func gapsMeet() throws {
    var rig = try Rig(host: 32, windows: [2, 2])
    _ = try rig.store(request(9), keys(0..<1), firstOffered: [1, 0])
    _ = try rig.store(request(9), keys(1..<4), first: 1)
    _ = try rig.store(request(9), keys(4..<5), first: 4, firstOffered: [0, 1])
    try rig.finishAll()
    // 5 lacks block 4 of the second group; 2 and 1 lack block 0 of the first.
    #expect(try rig.match(request(1), keys(0..<5)).readyCount == 4)
    #expect(try rig.match(request(1), keys(0..<3)).readyCount == 3)
    #expect(try rig.match(request(1), keys(0..<2)).readyCount == 0)
  }

  @Test("Where the device has the beginning, the window goes back no further than that")
  func firstPosition() throws {
    var rig = try Rig(windows: [3])
    _ = try rig.store(request(9), keys(2..<4), first: 2)
    try rig.finishAll()
    #expect(try rig.match(request(1), keys(0..<4)).readyCount == 0)
    #expect(try rig.match(request(1), keys(2..<4), first: 2).readyCount == 2)
    let (_, pieces) = try load(&rig, request(1), 2)
    #expect(pieces.map(\.description) == ["2/0", "3/0"])
  }

  @Test("Less than the whole promise cannot be loaded, for its window is not pinned")
  func shortened() throws {
    var rig = try Rig(host: 16, windows: [nil, 2])
    _ = try rig.store(request(9), keys(0..<4))
    try rig.finishAll()
    #expect(try rig.match(request(1), keys(0..<4)).readyCount == 4)
    #expect(try load(&rig, request(1), 3).operation == nil)
    #expect(rig.engine.counters.shortLoadsRefused == 1 && rig.engine.counters.invalidCalls == 0)
    #expect(rig.counts(.host).pinned == 6, "nothing has changed")
    #expect(try load(&rig, request(1), 5).operation == nil)
    #expect(rig.engine.counters.shortLoadsRefused == 1 && rig.engine.counters.invalidCalls == 1)
    #expect(try load(&rig, request(1), 4).operation != nil)
  }

  @Test("Blocks that the engine does not have any more are not stored, and are covered")
  func firstOffered() throws {
    var rig = try Rig(host: 32, windows: [nil, 2])
    #expect(
      try rig.store(request(9), keys(0..<4), firstOffered: [0, 3])
        == StoreAnswer(coveredCount: 4, offloadCount: 5))
    #expect(
      try rig.store(request(9), keys(4..<6), first: 4, firstOffered: [0, 99])
        == StoreAnswer(coveredCount: 2, offloadCount: 2))
    var full = try Rig(host: 2, windows: [nil, 2])
    #expect(
      try full.store(request(9), keys(0..<4), firstOffered: [0, 4])
        == StoreAnswer(coveredCount: 2, offloadCount: 2))
  }

  @Test("A call that leaves out blocks of a full group, or of other groups than there are, is none")
  func invalidFirstOffered() throws {
    var rig = try Rig(windows: [nil, 2])
    for firstOffered in [[1, 0], [0], [0, 0, 0], [0, -1]] {
      #expect(try rig.store(request(9), keys(0..<2), firstOffered: firstOffered) == .none)
    }
    #expect(rig.engine.counters.invalidCalls == 4)
  }

  @Test("Wrong bytes in a load condemn the window's blocks, and no others")
  func corruptLoad() throws {
    var rig = try Rig(host: 16, windows: [1, nil])
    _ = try rig.store(request(9), keys(0..<3))
    try rig.finishAll()
    _ = try rig.match(request(1), keys(0..<3))
    try rig.report(#require(try load(&rig, request(1), 3).operation), .corrupt)
    #expect(rig.counts(.host) == SlotCounts(free: 14, cached: 2))
  }
}
