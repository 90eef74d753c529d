import BlockIdentity
import KVBMTesting
import Testing

@testable import KVLayout

@Suite("Copy plans against a naive model")
struct CopyPlanTests {
  @Test("Any layout stores and loads every byte, and touches no other", arguments: 0..<400)
  func anyLayout(seed: Int) throws {
    var generator = Random(seed: UInt64(seed))
    let shape = try BlockShape.random(&generator)
    let first = Int.random(in: 0..<shape.headCount, using: &generator)
    let heads = Int.random(in: 1...shape.headCount - first, using: &generator)
    let source = DeviceModel(
      random: &generator, shape, heads: heads, blocks: Int.random(in: 1...3, using: &generator))
    let target = DeviceModel(
      random: &generator, shape, heads: heads, blocks: Int.random(in: 1...3, using: &generator))
    let from = Int.random(in: 0..<source.blocks, using: &generator)
    let to = Int.random(in: 0..<target.blocks, using: &generator)
    let slot = Memory(count: shape.slotBytes, noise: generator.next())

    let before = slot.snapshot
    let deviceBefore = source.memory.snapshot
    #expect(
      try source.plan(firstHead: first).store(sampleKey(1), deviceBlock: from, slot: slot.start)
        == .stored)
    #expect(storeFault(source, slot: slot, before: before, block: from, firstHead: first) == nil)
    #expect(source.memory.snapshot == deviceBefore)

    let stored = slot.snapshot
    let targetBefore = target.memory.snapshot
    let plan = try target.plan(firstHead: first)
    #expect(plan.load(sampleKey(1), slot: slot.start, deviceBlock: to) == .intact)
    #expect(
      target.memory.snapshot
        == target.expectedDevice(
          targetBefore, slot: UnsafeRawBufferPointer(slot.bytes), block: to, firstHead: first))
    #expect(slot.snapshot == stored)
    for head in first..<first + heads {
      let bytes = UnsafeRawBufferPointer(
        start: slot.start + shape.headOffset(head), count: shape.headBytes)
      let sum = SlotHeader.headChecksum(bytes, key: sampleKey(1), group: 0, head: head)
      #expect(SlotHeader.checksum(ofHead: head, in: slot.start) == sum)
    }
  }

  @Test("Layouts are drawn of which some are summed on the way, and some afterwards")
  func waysOfSumming() throws {
    var generator = Random(seed: 1)
    let counts = try (0..<400).reduce(into: [true: 0, false: 0]) { counts, _ in
      let shape = try BlockShape.random(&generator)
      let model = DeviceModel(random: &generator, shape, heads: 1, blocks: 1)
      counts[try model.plan(firstHead: 0).isSummedOnTheWay]! += 1
    }
    #expect(counts.values.allSatisfy { $0 >= 80 }, "\(counts)")
  }

  /// Where the payload first differs from the model, or the header elsewhere than it may.
  func storeFault(
    _ model: DeviceModel, slot: Memory, before: [UInt8], block: Int, firstHead: Int
  ) -> Int? {
    let expected = model.expectedSlot(before, block: block, firstHead: firstHead)
    let table = 512 + 8 * firstHead..<512 + 8 * (firstHead + model.heads)
    return slot.bytes.indices.first { index in
      slot.bytes[index] != expected[index] && !table.contains(index)
        && !(96..<112).contains(index) && !(132..<134).contains(index)
    }
  }

  @Test("Planted faults in a plan are noticed by the model", arguments: 0..<50)
  func plantedFaults(seed: Int) throws {
    var generator = Random(seed: UInt64(seed))
    let shape = try BlockShape(
      headCount: 2, layerCount: 3, blockTokens: 4, tokenBytes: 16, elementBytes: 2)
    let model = DeviceModel(random: &generator, shape, heads: 2, blocks: 3)
    let sound = model.layers
    var skipsLayer = sound
    skipsLayer[1] = sound[2]
    skipsLayer[2] = sound[1]
    let shiftsToken = sound.map { layer in
      var layer = layer
      layer.base += layer.tokenStride
      return layer
    }
    let shiftsHead = sound.map { layer in
      var layer = layer
      layer.base += layer.headStride
      return layer
    }
    for (faulty, isFault) in [
      (sound, false), (skipsLayer, true), (shiftsToken, true), (shiftsHead, true),
    ] {
      let slot = Memory(count: shape.slotBytes, noise: generator.next())
      let before = slot.snapshot
      let plan = try CopyPlan(
        geometry: GroupGeometry(kind: .full, shape: shape), layers: faulty, deviceBlockCount: 1,
        firstHead: 0, headCount: 2)
      _ = plan.store(sampleKey(1), deviceBlock: 0, slot: slot.start)
      let fault = storeFault(model, slot: slot, before: before, block: 0, firstHead: 0)
      #expect((fault != nil) == isFault)
    }
  }

  @Test("Two ranks store a block; one rank and four ranks load it", arguments: 0..<60)
  func otherRankCounts(seed: Int) throws {
    var generator = Random(seed: UInt64(seed))
    let shape = try BlockShape(
      headCount: 4, layerCount: Int.random(in: 1...3, using: &generator), blockTokens: 3,
      tokenBytes: 8, elementBytes: 2)
    let slot = Memory(count: shape.slotBytes, noise: generator.next())
    for rank in 0..<2 {
      let model = DeviceModel(random: &generator, shape, heads: 2, blocks: 2)
      #expect(
        try model.plan(firstHead: 2 * rank).store(sampleKey(1), deviceBlock: 1, slot: slot.start)
          == .stored)
    }
    for (ranks, heads) in [(1, 4), (4, 1)] {
      for rank in 0..<ranks {
        let model = DeviceModel(random: &generator, shape, heads: heads, blocks: 2)
        let before = model.memory.snapshot
        let plan = try model.plan(firstHead: rank * heads)
        #expect(plan.load(sampleKey(1), slot: slot.start, deviceBlock: 0) == .intact)
        #expect(
          model.memory.snapshot
            == model.expectedDevice(
              before, slot: UnsafeRawBufferPointer(slot.bytes), block: 0, firstHead: rank * heads))
      }
    }
  }

  @Test("Contiguous dimensions become one copy")
  func copyCounts() throws {
    let shape = try BlockShape(
      headCount: 4, layerCount: 3, blockTokens: 16, tokenBytes: 256, elementBytes: 2)
    func copies(_ order: [DeviceModel.Axis], padding: [Int] = [0, 0, 0, 0, 0]) throws -> Int {
      try DeviceModel(shape, heads: 4, blocks: 2, order: order, padding: padding, noise: 1)
        .plan(firstHead: 0).copiesPerBlock
    }
    // LBHNC: one a head and layer.
    #expect(try copies([.layer, .block, .head, .token, .half]) == 4 * 3)
    // Blocks first, layers innermost of the outer ones: one a head.
    #expect(try copies([.block, .head, .layer, .token, .half]) == 4)
    #expect(try copies([.block, .layer, .head, .token, .half]) == 4 * 3)
    // NHD with K beside V: one a head, layer and token.
    #expect(try copies([.layer, .block, .token, .head, .half]) == 4 * 3 * 16)
    // K and V in planes of their own: twice as many.
    #expect(try copies([.layer, .half, .block, .head, .token]) == 4 * 3 * 16 * 2)
    // Padded tokens do not merge.
    #expect(
      try copies([.layer, .block, .head, .token, .half], padding: [0, 0, 0, 8, 0]) == 4 * 3 * 16)
  }

  @Test("A latent (MLA) is one head, whose halves go for K and V: one copy a layer of a block")
  func latents() throws {
    let shape = try BlockShape(
      headCount: 1, layerCount: 3, blockTokens: 16, tokenBytes: 576 * 2, elementBytes: 2)
    for (order, count) in [
      ([DeviceModel.Axis.layer, .block, .head, .token, .half], 3),
      ([.layer, .block, .token, .head, .half], 3), ([.block, .head, .layer, .token, .half], 1),
    ] {
      let model = DeviceModel(
        shape, heads: 1, blocks: 2, order: order, padding: [0, 0, 0, 0, 0], noise: 1)
      #expect(try model.plan(firstHead: 0).copiesPerBlock == count)
      let slot = Memory(count: shape.slotBytes, noise: 2)
      let before = slot.snapshot
      #expect(
        try model.plan(firstHead: 0).store(sampleKey(1), deviceBlock: 1, slot: slot.start)
          == .stored)
      #expect(storeFault(model, slot: slot, before: before, block: 1, firstHead: 0) == nil)
    }
  }

  @Test("A plan prints itself")
  func printing() throws {
    let shape = try BlockShape(
      headCount: 2, layerCount: 2, blockTokens: 4, tokenBytes: 16, elementBytes: 2)
    let model = DeviceModel(
      shape, heads: 1, blocks: 3, order: [.layer, .half, .block, .head, .token],
      padding: [0, 0, 0, 0, 0], noise: 1)
    let plan = try model.plan(firstHead: 1)
    #expect(
      plan.describe(block: 2) == """
        block 2, heads 1..<2 of 2: 16 copies, 128 bytes
          layer 0: device +64 -> slot +4224, 4 tokens every 8, K and V 96 apart, 8 bytes each
          layer 1: device +64 -> slot +4288, 4 tokens every 8, K and V 96 apart, 8 bytes each
          next head: device +32, slot +128

        """)
    #expect(plan.describe(block: 3) == "no device block 3, there are 3")
  }

  @Test("Blocks that do not exist are refused, and nothing is touched")
  func noSuchBlock() throws {
    let shape = try BlockShape(
      headCount: 1, layerCount: 1, blockTokens: 1, tokenBytes: 4, elementBytes: 2)
    let device = Memory(count: shape.payloadBytes * 2, noise: 1)
    let slot = Memory(count: shape.slotBytes, noise: 2)
    let plan = try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: shape),
      layers: headMajorLayers(shape, heads: 1, blocks: 2, at: device.start), deviceBlockCount: 2,
      firstHead: 0, headCount: 1)
    let (slotBefore, deviceBefore) = (slot.snapshot, device.snapshot)
    for block in [-1, 2, Int.max, Int.min] {
      #expect(plan.store(sampleKey(1), deviceBlock: block, slot: slot.start) == .noSuchBlock)
      #expect(plan.load(sampleKey(1), slot: slot.start, deviceBlock: block) == .noSuchBlock)
    }
    #expect(slot.snapshot == slotBefore)
    #expect(device.snapshot == deviceBefore)
  }
}
