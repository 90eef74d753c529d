import KVBMTesting
import Testing

@testable import KVLayout

@Suite("Layouts that are refused")
struct LayoutErrorTests {
  @Test("Numbers out of range are refused and named")
  func numbers() {
    func shape(
      heads: Int = 1, layers: Int = 1, tokens: Int = 1, tokenBytes: Int = 4, element: Int = 2
    ) throws(LayoutError) -> BlockShape {
      try BlockShape(
        headCount: heads, layerCount: layers, blockTokens: tokens, tokenBytes: tokenBytes,
        elementBytes: element)
    }
    #expect(throws: LayoutError.notPositive(field: "head_count", value: 0)) { try shape(heads: 0) }
    #expect(throws: LayoutError.notPositive(field: "layer_count", value: -1)) {
      try shape(layers: -1)
    }
    #expect(throws: LayoutError.tooLarge(field: "head_count", value: 4097, limit: 4096)) {
      try shape(heads: 4097)
    }
    #expect(throws: LayoutError.tooLarge(field: "block_tokens", value: .max, limit: 65_535)) {
      try shape(tokens: .max)
    }
    #expect(throws: LayoutError.unevenToken(tokenBytes: 6, elementBytes: 2)) {
      try shape(tokenBytes: 6)
    }
    #expect(throws: LayoutError.self) {
      try shape(heads: 4096, layers: 4096, tokens: 65_535, tokenBytes: 1 << 30, element: 1)
    }
    #expect(throws: LayoutError.self) { try shape(tokens: 1024, tokenBytes: 1 << 20) }
  }

  @Test("Sizes follow from the shape")
  func sizes() throws {
    let small = try BlockShape(
      headCount: 8, layerCount: 32, blockTokens: 16, tokenBytes: 512, elementBytes: 2)
    #expect(small.headBytes == 262_144)
    #expect(small.headerBytes == 4096)
    #expect(small.slotBytes == 4096 + 8 * 262_144)
    let many = try BlockShape(
      headCount: 449, layerCount: 1, blockTokens: 1, tokenBytes: 2, elementBytes: 1)
    #expect(many.headerBytes == 8192)
    #expect(many.slotBytes == 8192 + 4096)
  }

  let shape = try! BlockShape(
    headCount: 4, layerCount: 2, blockTokens: 4, tokenBytes: 16, elementBytes: 2)

  func plan(
    _ layers: [DeviceLayer], blocks: Int = 3, firstHead: Int = 0, heads: Int = 4
  ) throws -> CopyPlan {
    try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: shape), layers: layers,
      deviceBlockCount: blocks, firstHead: firstHead, headCount: heads)
  }

  func layers(_ change: (inout [DeviceLayer]) -> Void = { _ in }) -> [DeviceLayer] {
    // Never touched: plans are only made.
    var layers = headMajorLayers(
      shape, heads: 4, blocks: 3, at: UnsafeMutableRawPointer(bitPattern: 1 << 20)!)
    change(&layers)
    return layers
  }

  @Test("Counts and heads must fit the geometry")
  func counts() throws {
    #expect(throws: LayoutError.layerCount(expected: 2, found: 1)) { try plan([layers()[0]]) }
    #expect(throws: LayoutError.notPositive(field: "device_block_count", value: 0)) {
      try plan(layers(), blocks: 0)
    }
    for (first, heads) in [(-1, 1), (0, 0), (1, 4), (4, 1), (Int.max, 1), (1, Int.max), (0, -1)] {
      #expect(throws: LayoutError.headRange(first: first, count: heads, headCount: 4)) {
        try plan(layers(), firstHead: first, heads: heads)
      }
    }
  }

  @Test("Strides that are negative or overlap are refused")
  func strides() {
    let changes: [(inout DeviceLayer) -> Void] = [
      { $0.tokenStride = -16 }, { $0.tokenStride = 0 }, { $0.tokenStride = 15 },
      { $0.kvStride = 0 }, { $0.kvStride = 7 }, { $0.headStride = 32 }, { $0.blockStride = 255 },
      { $0.blockStride = .max }, { $0.blockStride = .min },
    ]
    for change in changes {
      #expect(throws: LayoutError.badStrides(layer: 1)) { try plan(layers { change(&$0[1]) }) }
    }
  }

  @Test("Layers that leave the address space or share bytes are refused")
  func addresses() throws {
    #expect(throws: LayoutError.addressRange(layer: 0)) {
      try plan(
        layers { $0[0].base = UnsafeMutableRawPointer(bitPattern: UInt(Int.max) - 100)! })
    }
    #expect(throws: LayoutError.addressRange(layer: 1)) {
      try plan(layers { $0[1].kvStride = .max / 2 })
    }
    #expect(throws: LayoutError.overlappingLayers(0, 1)) { try plan(layers { $0[1] = $0[0] }) }
    #expect(throws: LayoutError.overlappingLayers(0, 1)) {
      try plan(layers { $0[1].base = $0[0].base + 3 * 256 - 1 })
    }
    #expect(throws: LayoutError.overlappingLayers(0, 1)) {
      try plan(
        layers {
          $0[1].base = $0[0].base + 16
          $0[1].tokenStride = 24
          $0[1].headStride = 1024
          $0[1].blockStride = 4096
        })
    }
    // Interleaved without sharing: each block has its layers side by side.
    _ = try plan(
      layers {
        for index in 0..<2 {
          $0[index].base = $0[0].base + index * 256
          $0[index].blockStride = 512
        }
      })
  }

  @Test("Overlap of two strided arrays is exact, by counting bytes", arguments: 0..<300)
  func overlapModel(seed: Int) throws {
    var generator = Random(seed: UInt64(seed))
    let counts = (0..<4).map { _ in Int.random(in: 1...3, using: &generator) }
    let run = Int.random(in: 1...3, using: &generator)
    var span = run
    var strides = [0, 0, 0, 0]
    for axis in (0..<4).shuffled(using: &generator) {
      strides[axis] = span + Int.random(in: 0...3, using: &generator)
      span = strides[axis] * (counts[axis] - 1) + span
    }
    let check = try #require(StrideCheck(counts: counts, strides: strides, runBytes: run))
    #expect(check.spanBytes == span)
    var used: Set<Int> = []
    for a in 0..<counts[0] {
      for b in 0..<counts[1] {
        for c in 0..<counts[2] {
          for d in 0..<counts[3] {
            let start = a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3]
            for byte in 0..<run { #expect(used.insert(start + byte).inserted) }
          }
        }
      }
    }
    for distance in 0...span {
      let shares = used.contains { used.contains($0 + distance) }
      #expect(check.overlapsItself(at: distance) == shares)
    }
  }
}
