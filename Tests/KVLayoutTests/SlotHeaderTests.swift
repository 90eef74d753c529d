import BlockIdentity
import KVBMTesting
import Testing

@testable import KVLayout

@Suite("Slot headers and checksums")
struct SlotHeaderTests {
  /// A payload of whole pages, so that every byte of the slot means something.
  let dense = try! BlockShape(
    headCount: 2, layerCount: 2, blockTokens: 8, tokenBytes: 128, elementBytes: 2)
  let padded = try! BlockShape(
    headCount: 3, layerCount: 2, blockTokens: 5, tokenBytes: 12, elementBytes: 2)

  @Test("A sealed slot says what was sealed")
  func roundTrip() throws {
    for shape in [dense, padded] {
      var slot = try SampleSlot(shape, group: 2)
      #expect(
        SlotHeader.inspect(slot.bytes, slotBytes: shape.slotBytes) == .success(slot.description))
      #expect(SlotHeader.verify(slot.bytes) == .success(slot.description))
      #expect(
        SlotHeader.verify(slot.bytes, expecting: slot.description.expectation)
          == .success(slot.description))
      // Sealing again, as for another copy, keeps the bytes valid.
      var again = slot.description
      again.writeSequence = 43
      again.priority = -5
      again.expiresUnixNanoseconds = 9
      again.partCount = 64
      again.wireBlockHash = .max
      again.producer.host = String(repeating: "ä", count: 40)
      SlotHeader.seal(slot.memory.start, again)
      again.producer.host = String(repeating: "ä", count: 32)
      #expect(SlotHeader.verify(slot.bytes) == .success(again))
      slot = try SampleSlot(shape)
    }
  }

  @Test("Padding is zeroed, so that nothing else leaves memory with a slot")
  func padding() throws {
    let slot = try SampleSlot(padded)
    let tableEnd = 512 + 8 * padded.headCount
    #expect(slot.bytes[tableEnd..<padded.headerBytes].allSatisfy { $0 == 0 })
    let payloadEnd = padded.headerBytes + padded.payloadBytes
    #expect(slot.bytes[payloadEnd...].allSatisfy { $0 == 0 })
  }

  @Test("The bytes of version 1 never change")
  func frozenFormat() throws {
    let shape = try BlockShape(
      headCount: 2, layerCount: 2, blockTokens: 8, tokenBytes: 128, elementBytes: 2)
    let memory = Memory(count: shape.slotBytes, noise: 1)
    for index in 0..<shape.payloadBytes {
      memory.bytes[shape.headerBytes + index] = UInt8(truncatingIfNeeded: index &* 7 &+ 3)
    }
    var description = SlotDescription(
      namespace: sampleNamespace(), key: sampleKey(1), group: 1, shape: shape)
    description.position = 5
    description.writeSequence = 9
    description.producer.engine = "vllm 0.32.0"
    for head in 0..<2 {
      let offset = shape.headOffset(head)
      let bytes = UnsafeRawBufferPointer(
        rebasing: memory.bytes[offset..<offset + shape.headBytes])
      SlotHeader.writeChecksum(
        SlotHeader.headChecksum(bytes, key: description.key, group: 1, head: head), head: head,
        to: memory.start)
    }
    SlotHeader.seal(memory.start, description)
    func word(_ offset: Int) -> String {
      String(memory.bytes.load(fromByteOffset: offset, as: UInt64.self), radix: 16)
    }
    #expect(memory.bytes[0..<8].elementsEqual("KVBMSLT1".utf8))
    #expect(word(512) == "4f0fa653cf59448e")
    #expect(word(520) == "4ec3b777d8da676")
    #expect(word(496) == "be5682d52481ece2")
    #expect(word(504) == "d1f812abe38494b2")
  }

  @Test("Every flipped byte of header, table and payload is noticed")
  func everyByte() throws {
    for shape in [dense, padded] {
      let slot = try SampleSlot(shape)
      for index in 0..<shape.headerBytes + shape.payloadBytes {
        for mask in [UInt8(1), 0x80, 0xFF] {
          slot.memory.bytes[index] ^= mask
          if case .success = SlotHeader.verify(slot.bytes) {
            Issue.record("byte \(index) ^ \(mask) of \(shape) went unnoticed")
          }
          slot.memory.bytes[index] ^= mask
        }
      }
      #expect(SlotHeader.verify(slot.bytes) == .success(slot.description))
    }
  }

  @Test("Every flipped byte of payload, table and key is noticed by a load")
  func everyByteOfALoad() throws {
    let slot = try SampleSlot(dense)
    let device = Memory(count: dense.payloadBytes, noise: 3)
    let plan = try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: dense),
      layers: headMajorLayers(dense, heads: 2, blocks: 1, at: device.start), deviceBlockCount: 1,
      firstHead: 0, headCount: 2)
    let key = slot.description.key
    let places = [96..<112, 132..<134, 512..<528, 4096..<dense.slotBytes].joined()
    for index in places {
      slot.memory.bytes[index] ^= 0x10
      #expect(plan.load(key, slot: slot.memory.start, deviceBlock: 0) != .intact)
      slot.memory.bytes[index] ^= 0x10
    }
    #expect(plan.load(key, slot: slot.memory.start, deviceBlock: 0) == .intact)
    #expect(plan.load(sampleKey(2), slot: slot.memory.start, deviceBlock: 0) == .foreign)
  }

  @Test("Whole headers and heads of other blocks are noticed")
  func otherBlocks() throws {
    let wanted = try SampleSlot(dense)
    let other = try SampleSlot(dense, key: sampleKey(2), noise: 99)
    let header = dense.headerBytes
    #expect(
      SlotHeader.verify(other.bytes, expecting: wanted.description.expectation)
        == .failure(.otherBlock(key: sampleKey(2), group: 0)))
    // Another namespace, group or shape under the same key.
    var strange = wanted.description.expectation
    strange.namespace = sampleNamespace(2)
    #expect(SlotHeader.verify(wanted.bytes, expecting: strange) != .success(wanted.description))
    strange = wanted.description.expectation
    strange.group = 1
    #expect(SlotHeader.verify(wanted.bytes, expecting: strange) != .success(wanted.description))

    // The wanted header over the other's payload.
    other.memory.start.copyMemory(from: wanted.memory.start, byteCount: header)
    #expect(SlotHeader.verify(other.bytes) == .failure(.head(0)))

    // Heads swapped, with and without their checksums.
    let swapped = try SampleSlot(dense)
    swapHeads(swapped.memory.start + header, dense.headBytes)
    #expect(SlotHeader.verify(swapped.bytes) == .failure(.head(0)))
    swapHeads(swapped.memory.start + 512, 8)
    SlotHeader.seal(swapped.memory.start, swapped.description)
    #expect(SlotHeader.verify(swapped.bytes) == .failure(.head(0)))

    // The payload one token further on.
    let shifted = try SampleSlot(dense)
    let payload = shifted.memory.start + header
    payload.copyMemory(
      from: payload + dense.tokenBytes, byteCount: dense.payloadBytes - dense.tokenBytes)
    #expect(SlotHeader.verify(shifted.bytes) == .failure(.head(0)))

    // Another table, sealed by nobody.
    let table = try SampleSlot(dense)
    table.memory.bytes[512] ^= 1
    #expect(SlotHeader.verify(table.bytes) == .failure(.header(.badChecksum)))
  }

  func swapHeads(_ start: UnsafeMutableRawPointer, _ count: Int) {
    let first = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    start.copyMemory(from: start + count, byteCount: count)
    first.withUnsafeBytes { (start + count).copyMemory(from: $0.baseAddress!, byteCount: count) }
  }

  @Test("Bytes that move to another block's name are noticed, though header and table are sound")
  func boundToTheirBlock() throws {
    let slot = try SampleSlot(dense)
    var lie = slot.description
    lie.key = sampleKey(2)
    SlotHeader.seal(slot.memory.start, lie)
    #expect(SlotHeader.verify(slot.bytes) == .failure(.head(0)))
    lie = slot.description
    lie.group = 3
    SlotHeader.seal(slot.memory.start, lie)
    #expect(SlotHeader.verify(slot.bytes) == .failure(.head(0)))
  }

  @Test("Zeros are free, noise is not a slot, short input is refused")
  func noSlots() throws {
    let zeros = [UInt8](repeating: 0, count: dense.slotBytes)
    zeros.withUnsafeBytes {
      #expect(SlotHeader.verify($0) == .failure(.header(.empty)))
    }
    var almost = zeros
    almost[4095] = 1
    almost.withUnsafeBytes { #expect(SlotHeader.verify($0) == .failure(.header(.notASlot))) }
    let slot = try SampleSlot(dense)
    for count in [0, 1, 8, 23, 511, 512, 4095] {
      let short = UnsafeRawBufferPointer(rebasing: slot.bytes[..<count])
      #expect(SlotHeader.inspect(short, slotBytes: dense.slotBytes) == .failure(.badSizes))
    }
    #expect(
      SlotHeader.inspect(slot.bytes, slotBytes: dense.slotBytes + 4096)
        == .failure(.contradiction))
    var generator = Random(seed: 5)
    for _ in 0..<2000 {
      var noise = [UInt8](repeating: 0, count: 4096)
      for index in noise.indices { noise[index] = UInt8(truncatingIfNeeded: generator.next()) }
      if Bool.random(using: &generator) { noise.replaceSubrange(0..<8, with: "KVBMSLT1".utf8) }
      if Bool.random(using: &generator) { noise.replaceSubrange(12..<16, with: [0, 16, 0, 0]) }
      noise.withUnsafeBytes { bytes in
        if case .success = SlotHeader.inspect(bytes, slotBytes: dense.slotBytes) {
          Issue.record("noise is taken for a header")
        }
      }
    }
  }

  @Test("Another version's slot is told from a damaged one")
  func otherVersions() throws {
    // Offsets of format version, incompatible features, layout, codec, encryption, algorithm.
    for (offset, name) in [
      (8, "version"), (16, "features"), (160, "layout"), (164, "codec"), (166, "encryption"),
      (212, "algorithm"),
    ] {
      let slot = try SampleSlot(dense)
      slot.memory.bytes[offset] = 9
      #expect(SlotHeader.verify(slot.bytes) == .failure(.header(.badChecksum)), "\(name)")
      resum(slot.memory.bytes, headerBytes: dense.headerBytes)
      guard case .failure(.header(.unsupported)) = SlotHeader.verify(slot.bytes) else {
        Issue.record("another \(name) is not seen")
        continue
      }
    }
    // Compatible features are none of a reader's business.
    let slot = try SampleSlot(dense)
    slot.memory.bytes[20] = 0xFF
    resum(slot.memory.bytes, headerBytes: dense.headerBytes)
    #expect(SlotHeader.verify(slot.bytes) == .success(slot.description))
  }

  @Test(
    "Sound headers that contradict themselves are refused",
    arguments: [24, 32, 134, 136, 144, 146, 148, 150, 152, 158])
  func contradictions(offset: Int) throws {
    let slot = try SampleSlot(dense)
    slot.memory.bytes[offset] &+= 1
    resum(slot.memory.bytes, headerBytes: dense.headerBytes)
    #expect(SlotHeader.verify(slot.bytes) == .failure(.header(.contradiction)))
  }

  @Test("A slot size that fits the extent but not the shape is refused")
  func slotSize() throws {
    let slot = try SampleSlot(dense)
    let size = UInt64(dense.slotBytes + 4096)
    slot.memory.bytes.storeBytes(of: size, toByteOffset: 24, as: UInt64.self)
    resum(slot.memory.bytes, headerBytes: dense.headerBytes)
    #expect(SlotHeader.inspect(slot.bytes, slotBytes: Int(size)) == .failure(.contradiction))
  }

  func resum(_ slot: UnsafeMutableRawBufferPointer, headerBytes: Int) {
    slot.storeBytes(of: 0, toByteOffset: 504, as: UInt64.self)
    let checksum = SlotHeader.headChecksum(
      UnsafeRawBufferPointer(rebasing: slot[..<headerBytes]), key: .none, group: 0, head: 0)
    slot.storeBytes(of: checksum, toByteOffset: 504, as: UInt64.self)
  }
}
