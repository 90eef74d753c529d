import KVBMTesting
import KVLayout

/// Device memory in a layout drawn at random, and where each byte of a block lies in it.
///
/// The naive model that plans are compared with: it knows one formula and copies nothing.
struct DeviceModel {
  enum Axis: CaseIterable { case layer, block, head, token, half }

  let shape: BlockShape
  let heads: Int
  let blocks: Int
  let memory: Memory
  let strides: [Axis: Int]

  /// Axes from the outermost to the innermost one; `padding` is added to each stride.
  init(
    _ shape: BlockShape, heads: Int, blocks: Int, order: [Axis], padding: [Int], noise: UInt64
  ) {
    self.shape = shape
    self.heads = heads
    self.blocks = blocks
    let counts: [Axis: Int] = [
      .layer: shape.layerCount, .block: blocks, .head: heads, .token: shape.blockTokens, .half: 2,
    ]
    var span = shape.tokenBytes / 2
    var strides: [Axis: Int] = [:]
    for (axis, extra) in zip(order.reversed(), padding.reversed()) {
      strides[axis] = span + extra
      span = (span + extra) * counts[axis]!
    }
    self.strides = strides
    // As much again behind it: who reads or writes too far is caught, and harms nothing.
    memory = Memory(count: 2 * span, noise: noise)
  }

  /// A random order, padded in a third of the cases.
  init(
    random generator: inout Random, _ shape: BlockShape, heads: Int, blocks: Int
  ) {
    let padded = Int.random(in: 0..<3, using: &generator) == 0
    self.init(
      shape, heads: heads, blocks: blocks, order: Axis.allCases.shuffled(using: &generator),
      padding: (0..<5).map { _ in padded ? Int.random(in: 0...5, using: &generator) : 0 },
      noise: generator.next())
  }

  var layers: [DeviceLayer] {
    (0..<shape.layerCount).map { layer in
      DeviceLayer(
        base: memory.start + layer * strides[.layer]!, blockStride: strides[.block]!,
        headStride: strides[.head]!, tokenStride: strides[.token]!, kvStride: strides[.half]!)
    }
  }

  func plan(firstHead: Int, layers: [DeviceLayer]? = nil) throws -> CopyPlan {
    try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: shape), layers: layers ?? self.layers,
      deviceBlockCount: blocks, firstHead: firstHead, headCount: heads)
  }

  /// Calls `body` with the place of every byte of a block: in device memory and in the slot.
  func forEachByte(block: Int, firstHead: Int, _ body: (Int, Int) -> Void) {
    let run = shape.tokenBytes / 2
    for head in 0..<heads {
      for layer in 0..<shape.layerCount {
        for token in 0..<shape.blockTokens {
          for half in 0..<2 {
            let device =
              layer * strides[.layer]! + block * strides[.block]! + head * strides[.head]!
              + token * strides[.token]! + half * strides[.half]!
            let slot =
              shape.headerBytes
              + ((((firstHead + head) * shape.layerCount + layer) * shape.blockTokens + token) * 2
                + half) * run
            for byte in 0..<run { body(device + byte, slot + byte) }
          }
        }
      }
    }
  }

  /// What the slot must hold after a store: the bytes of before, with the block's over them.
  func expectedSlot(_ before: [UInt8], block: Int, firstHead: Int) -> [UInt8] {
    var slot = before
    forEachByte(block: block, firstHead: firstHead) { device, place in
      slot[place] = memory.bytes[device]
    }
    return slot
  }

  /// What device memory must hold after a load.
  func expectedDevice(
    _ before: [UInt8], slot: UnsafeRawBufferPointer, block: Int, firstHead: Int
  ) -> [UInt8] {
    var device = before
    forEachByte(block: block, firstHead: firstHead) { place, source in
      device[place] = slot[source]
    }
    return device
  }
}

extension BlockShape {
  /// Small, of any proportions.
  static func random(_ generator: inout Random) throws -> BlockShape {
    let element = [1, 2, 4].randomElement(using: &generator)!
    // Halves of whole stripes are copied and summed in one pass, others are not.
    let halfUnit = Int.random(in: 0..<3, using: &generator) == 0 ? 64 : element
    return try BlockShape(
      // More than are summed at once as well.
      headCount: Int.random(in: 0..<12, using: &generator) == 0
        ? 37 : Int.random(in: 1...6, using: &generator),
      layerCount: Int.random(in: 1...4, using: &generator),
      blockTokens: Int.random(in: 1...5, using: &generator),
      tokenBytes: 2 * halfUnit * Int.random(in: 1...4, using: &generator), elementBytes: element)
  }
}
