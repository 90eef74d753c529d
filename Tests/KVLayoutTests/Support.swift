import BlockIdentity
import KVBMTesting
import KVLayout

/// Memory that is filled with noise and frees itself.
final class Memory {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int, noise seed: UInt64) {
    bytes = .allocate(byteCount: count, alignment: 4096)
    var generator = Random(seed: seed)
    for index in 0..<count { bytes[index] = UInt8(truncatingIfNeeded: generator.next()) }
  }

  deinit { bytes.deallocate() }

  var start: UnsafeMutableRawPointer { bytes.baseAddress! }
  var snapshot: [UInt8] { Array(bytes) }
}

func sampleKey(_ number: UInt64) -> BlockKey {
  BlockKey(high: 0x1122_3344_5566_7788 &+ number, low: 0x99AA_BBCC_DDEE_FF00 ^ (number << 8))
}

/// Some namespace; another for each number.
func sampleNamespace(_ number: UInt8 = 1) -> Namespace {
  [UInt8](repeating: number, count: 3).withUnsafeBytes { Namespace(description: $0) }
}

/// A slot that was stored by one rank from noise, and sealed.
struct SampleSlot {
  let shape: BlockShape
  let description: SlotDescription
  let memory: Memory

  init(
    _ shape: BlockShape, key: BlockKey = sampleKey(1), group: UInt16 = 0, noise: UInt64 = 7
  ) throws {
    self.shape = shape
    var description = SlotDescription(
      namespace: sampleNamespace(), key: key, group: group, shape: shape)
    description.parentKey = sampleKey(0)
    description.position = 3
    description.createdUnixNanoseconds = 1_700_000_000_000_000_000
    description.writeSequence = 42
    description.producer.engine = "vllm 0.32.0"
    description.producer.bootID = Bytes16(first: 1, last: 2)
    self.description = description
    memory = Memory(count: shape.slotBytes, noise: noise)
    let device = Memory(count: shape.payloadBytes, noise: noise &+ 1)
    let plan = try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: shape), group: Int(group),
      layers: headMajorLayers(shape, heads: shape.headCount, blocks: 1, at: device.start),
      deviceBlockCount: 1, firstHead: 0, headCount: shape.headCount)
    _ = plan.store(key, deviceBlock: 0, slot: memory.start)
    SlotHeader.seal(memory.start, description)
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory.bytes) }
}

/// `[layer][block][head][token][K|V]`, dense: what vLLM calls LBHNC.
func headMajorLayers(
  _ shape: BlockShape, heads: Int, blocks: Int, at start: UnsafeMutableRawPointer
) -> [DeviceLayer] {
  let blockBytes = heads * shape.layerBytes
  return (0..<shape.layerCount).map { layer in
    DeviceLayer(
      base: start + layer * blocks * blockBytes, blockStride: blockBytes,
      headStride: shape.layerBytes, tokenStride: shape.tokenBytes, kvStride: shape.tokenBytes / 2)
  }
}
