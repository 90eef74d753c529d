import BlockIdentity
import KVBMTesting
import Testing

@testable import KVLayout
@testable import Protection

/// Memory that frees itself.
final class Memory {
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int, fill: UInt8 = 0xEE) {
    bytes = .allocate(byteCount: count, alignment: 4096)
    bytes.initializeMemory(as: UInt8.self, repeating: fill)
  }

  deinit { bytes.deallocate() }

  var start: UnsafeMutableRawPointer { bytes.baseAddress! }
  var all: [UInt8] {
    get { Array(bytes) }
    set { bytes.copyBytes(from: newValue) }
  }
}

/// Bytes of hexadecimal digits.
func bytes(_ digits: String) -> [UInt8] {
  let digits = digits.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// A ring of keys that follow from numbers.
func keyRing(_ numbers: UInt8...) throws -> KeyRing {
  let lines = numbers.map { number in String(repeating: "0\(number)", count: 32) }
  return try KeyRing(text: Array(lines.joined(separator: "\n").utf8), source: "a test")
}

/// A block in host memory: payload, key and checksums; the rest of the header is noise.
struct SampleBlock {
  let shape: BlockShape
  let description: SlotDescription
  let memory: Memory

  init(_ shape: BlockShape, _ number: UInt64 = 1, group: UInt16 = 0) throws {
    self.shape = shape
    let key = BlockKey(high: 0x1122_3344_5566_7788 &+ number, low: number &* 0x9E37_79B9)
    var description = SlotDescription(
      namespace: "a model".utf8CString.withUnsafeBytes { Namespace(description: $0) }, key: key,
      group: group, shape: shape)
    description.writeSequence = 7
    description.producer.engine = "vllm 0.32.0"
    self.description = description
    memory = Memory(shape.slotBytes)
    var generator = Random(seed: number &+ UInt64(group) << 32)
    let payload = memory.bytes[shape.headerBytes...].prefix(shape.payloadBytes)
    for index in payload.indices {
      memory.bytes[index] = UInt8(truncatingIfNeeded: generator.next())
    }
    SlotHeader.writeKey(key, group: Int(group), to: memory.start)
    for head in 0..<shape.headCount {
      let bytes = memory.bytes[shape.headOffset(head)...].prefix(shape.headBytes)
      SlotHeader.writeChecksum(
        SlotHeader.headChecksum(
          UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[bytes.indices]),
          key: key, group: Int(group), head: head), head: head, to: memory.start)
    }
  }

  /// The slot as it lies where it is protected.
  func protected(_ protector: Protector) throws -> [UInt8] {
    let slot = Memory(shape.slotBytes)
    try #require(protector.protect(memory.start, into: slot.start, description))
    return slot.all
  }

  /// Plain bytes of the slot, as it is written without any protection.
  func plain() throws -> [UInt8] {
    try protected(Protector(keys: keyRing(1), form: .plain))
  }
}

/// What becomes of a slot's bytes when they are read: nil when they are the block's.
func fault(
  _ slot: [UInt8], _ protector: Protector, expecting block: SampleBlock
) -> SlotFault? {
  let memory = Memory(slot.count)
  memory.all = slot
  return Protector.fault(of: memory.bytes, expecting: block.description.expectation, protector)
}

/// Gives a slot's header the checksum that fits it: so does whoever changes it on purpose.
func resum(_ slot: inout [UInt8], _ shape: BlockShape) {
  slot.withUnsafeMutableBytes {
    SlotHeader.writeHeaderChecksum($0.baseAddress!, headerBytes: shape.headerBytes)
  }
}
