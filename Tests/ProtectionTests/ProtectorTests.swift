import BlockIdentity
import KVBMTesting
import Testing

@testable import KVLayout
@testable import Protection

/// Three heads whose bytes are no multiple of 16, so that there is padding.
private let uneven = try? BlockShape(
  headCount: 3, layerCount: 1, blockTokens: 5, tokenBytes: 12, elementBytes: 2)
/// More heads than a header of one page has room for.
private let wide = try? BlockShape(
  headCount: 600, layerCount: 1, blockTokens: 2, tokenBytes: 8, elementBytes: 2)
private let shapes = [uneven, wide].compactMap(\.self)
private let forms = [SlotProtection.Form.authenticated, .encrypted]

@Suite("Protection: only the block that was protected is revealed")
struct ProtectorTests {
  @Test("What is revealed is the plain slot, byte for byte", arguments: shapes, forms)
  func roundTrip(shape: BlockShape, form: SlotProtection.Form) throws {
    let protector = Protector(keys: try keyRing(1), form: form)
    let block = try SampleBlock(shape)
    let before = block.memory.all
    let slot = Memory(shape.slotBytes)
    slot.all = try block.protected(protector)
    #expect(block.memory.all == before, "the block in host memory was changed")
    #expect(slot.all != (try block.plain()))
    #expect(protector.reveal(slot.bytes) == nil)
    #expect(slot.all == (try block.plain()))
    // In place, and what any key of the ring protected.
    #expect(protector.protect(block.memory.start, into: block.memory.start, block.description))
    let others = Protector(keys: try keyRing(2, 1), form: .plain)
    #expect(fault(block.memory.all, others, expecting: block) == nil)
  }

  @Test("Headers are readable without a key, and contents are not", arguments: shapes)
  func clear(shape: BlockShape) throws {
    let block = try SampleBlock(shape)
    let slot = try block.protected(Protector(keys: try keyRing(1), form: .encrypted))
    let found = slot.withUnsafeBytes { SlotHeader.inspect($0, slotBytes: shape.slotBytes) }
    let description = try found.get()
    #expect(
      description.protection == SlotProtection(form: .encrypted, keyID: try keyRing(1).current.id))
    #expect(description.expectation == block.description.expectation)
    // A plain reader says so, and does not take it for a slot of another version or for damage.
    let plain = slot.withUnsafeBytes { SlotHeader.verify($0) }
    #expect(plain == .failure(.header(.locked(keyID: try keyRing(1).current.id))))
    // No 8 bytes of payload, table or root are where they were or anywhere else.
    let secret = try block.plain()
    let shown = Set((0...slot.count - 8).map { Array(slot[$0..<$0 + 8]) })
    for offset in stride(from: 496, to: shape.headerBytes + shape.payloadBytes - 8, by: 8) {
      let word = Array(secret[offset..<offset + 8])
      guard offset != 504, word.contains(where: { $0 != 0 }) else { continue }
      try #require(!shown.contains(word), "bytes at \(offset)")
    }
  }

  @Test("Any flipped bit is found, also under a header checksum that fits", arguments: forms)
  func flipped(form: SlotProtection.Form) throws {
    let shape = try #require(uneven)
    let protector = Protector(keys: try keyRing(1), form: form)
    let block = try SampleBlock(shape)
    let sound = try block.protected(protector)
    #expect(fault(sound, protector, expecting: block) == nil)
    for offset in sound.indices {
      // All bits of what says something, one of what is padding.
      for bit in offset < 560 ? 0..<8 : offset % 8..<offset % 8 + 1 {
        var slot = sound
        slot[offset] ^= 1 << UInt8(bit)
        #expect(fault(slot, protector, expecting: block) != nil, "byte \(offset), bit \(bit)")
        guard offset < shape.headerBytes, !(504..<512).contains(offset) else { continue }
        resum(&slot, shape)
        let found = fault(slot, protector, expecting: block)
        #expect(found != nil, "byte \(offset), bit \(bit), under a checksum that fits")
        let isNamed = (32..<136).contains(offset) || (168..<212).contains(offset)
        if isNamed || (216..<464).contains(offset) || offset >= 468 {
          // Names, times, salt, tag, table: what no other check is for.
          #expect(found == .forged || found == .header(.contradiction), "byte \(offset)")
        }
      }
    }
  }

  @Test("Content that moved to another block's slot is refused", arguments: forms)
  func swapped(form: SlotProtection.Form) throws {
    let shape = try #require(uneven)
    let protector = Protector(keys: try keyRing(1), form: form)
    let blocks = [
      try SampleBlock(shape, 1), try SampleBlock(shape, 2), try SampleBlock(shape, 1, group: 1),
    ]
    let slots = try blocks.map { try $0.protected(protector) }
    for (first, second) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
      // Whole: the header says whose it is.
      #expect(
        fault(slots[first], protector, expecting: blocks[second])
          == .otherBlock(key: blocks[first].description.key, group: UInt16(first / 2)))
      // All but the first 512 bytes, and the payload alone.
      for boundary in [512, shape.headerBytes] {
        var mixed = Array(slots[first][..<boundary] + slots[second][boundary...])
        resum(&mixed, shape)
        #expect(fault(mixed, protector, expecting: blocks[first]) == .forged)
      }
      // The name alone.
      var named = slots[first]
      named.replaceSubrange(96..<136, with: slots[second][96..<136])
      resum(&named, shape)
      #expect(fault(named, protector, expecting: blocks[second]) == .forged)
    }
    // Another protection of the same block: header of one, content of the other, where they differ.
    guard form == .encrypted else { return }
    let again = try blocks[0].protected(protector)
    var mixed = Array(again[..<512] + slots[0][512...])
    resum(&mixed, shape)
    #expect(fault(mixed, protector, expecting: blocks[0]) == .forged)
  }

  @Test("A key that is not at hand is named, and another under its id does not fit")
  func wrongKey() throws {
    let shape = try #require(uneven)
    let block = try SampleBlock(shape)
    let ring = try keyRing(1)
    let slot = try block.protected(Protector(keys: ring, form: .encrypted))
    let stranger = Protector(keys: try keyRing(2), form: .encrypted)
    #expect(fault(slot, stranger, expecting: block) == .header(.locked(keyID: ring.current.id)))
    var renamed = slot
    let id = stranger.keys.current.id.littleEndian
    withUnsafeBytes(of: id) { renamed.replaceSubrange(464..<468, with: $0) }
    resum(&renamed, shape)
    #expect(fault(renamed, stranger, expecting: block) == .forged)
  }

  @Test("Keys are changed without losing what the old ones protected")
  func rotation() throws {
    let shape = try #require(uneven)
    let block = try SampleBlock(shape)
    let rings = [try keyRing(1), try keyRing(1, 2), try keyRing(2, 1), try keyRing(2)]
    let slots = try rings.map { try block.protected(Protector(keys: $0, form: .authenticated)) }
    let isFound = rings.map { ring in
      slots.map { fault($0, Protector(keys: ring, form: .encrypted), expecting: block) == nil }
    }
    #expect(isFound[0] == [true, true, false, false])
    #expect(isFound[1] == [true, true, true, true])
    #expect(isFound[2] == [true, true, true, true])
    #expect(isFound[3] == [false, false, true, true])
  }

  @Test("Leaving the protection off does not help", arguments: forms)
  func plain(form: SlotProtection.Form) throws {
    let shape = try #require(uneven)
    let block = try SampleBlock(shape)
    let plain = try block.plain()
    #expect(
      fault(plain, Protector(keys: try keyRing(1), form: form), expecting: block) == .unprotected)
    #expect(fault(plain, Protector(keys: try keyRing(1), form: .plain), expecting: block) == nil)
    // An encrypted slot whose header says that it is none.
    var renamed = try block.protected(Protector(keys: try keyRing(1), form: .encrypted))
    renamed.replaceSubrange(166..<168, with: [0, 0])
    resum(&renamed, shape)
    #expect(
      fault(renamed, Protector(keys: try keyRing(1), form: .plain), expecting: block) == .root)
  }

  @Test("No two of a million protections of one block use the same key")
  func uniqueness() throws {
    let shape = try #require(uneven)
    let block = try SampleBlock(shape)
    let protector = Protector(keys: try keyRing(1), form: .encrypted)
    let slot = Memory(shape.slotBytes)
    #expect(protector.protect(block.memory.start, into: slot.start, block.description))
    var seen = Set<Bytes16>()
    let count = 1_000_000
    seen.reserveCapacity(count)
    for _ in 0..<count {
      let key = Protector.withNewSlotKey(protector.keys.current, .encrypted, slot.start) {
        Bytes16(bytes: $0)
      }
      seen.insert(try #require(key))
    }
    #expect(seen.count == count)
  }
}
