import BlockIdentity
import CSlotFormat
import CXXH3

extension SlotHeader {
  /// Fills the header from a description; the table of checksums stays as the workers left it.
  ///
  /// Also zeroes the padding behind table and payload, so that nothing else leaves memory with the
  /// slot. Key, group and table keep their values throughout, so loads may go on meanwhile.
  ///
  /// - Parameter slot: the beginning of a slot of `description.shape.slotBytes` bytes.
  /// - Complexity: O(header bytes).
  public static func seal(_ slot: UnsafeMutableRawPointer, _ description: SlotDescription) {
    let shape = description.shape
    var header = fixedPart(description)
    header.root_checksum =
      rootChecksum(of: slot, key: description.key, headCount: shape.headCount).littleEndian
    copy(header, to: slot)
    let tableEnd = Int(KVBM_SLOT_CHECKSUMS_OFFSET) &+ 8 &* shape.headCount
    zero(slot, tableEnd, shape.headerBytes)
    zero(slot, shape.headerBytes &+ shape.payloadBytes, shape.slotBytes)
    writeHeaderChecksum(slot, headerBytes: shape.headerBytes)
  }

  /// Enters the checksum of the header as it stands.
  static func writeHeaderChecksum(_ slot: UnsafeMutableRawPointer, headerBytes: Int) {
    let offset = MemoryLayout<kvbm_slot_header>.offset(of: \.header_checksum)!
    slot.storeBytes(of: 0, toByteOffset: offset, as: UInt64.self)
    let checksum = cxxh3_64(slot, headerBytes, 0)
    slot.storeBytes(of: checksum.littleEndian, toByteOffset: offset, as: UInt64.self)
  }

  private static func copy(_ header: kvbm_slot_header, to slot: UnsafeMutableRawPointer) {
    withUnsafeBytes(of: header) { slot.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  private static func zero(_ slot: UnsafeMutableRawPointer, _ first: Int, _ end: Int) {
    (slot + first).initializeMemory(as: UInt8.self, repeating: 0, count: end &- first)
  }

  private static func fixedPart(_ description: SlotDescription) -> kvbm_slot_header {
    let shape = description.shape
    var header = kvbm_slot_header()
    withUnsafeMutableBytes(of: &header.magic) { $0.copyBytes(from: KVBM_SLOT_MAGIC.utf8) }
    header.format_version = KVBM_SLOT_FORMAT_VERSION.littleEndian
    header.header_bytes = UInt32(truncatingIfNeeded: shape.headerBytes).littleEndian
    header.slot_bytes = UInt64(truncatingIfNeeded: shape.slotBytes).littleEndian
    header.payload_bytes = UInt64(truncatingIfNeeded: shape.payloadBytes).littleEndian
    header.write_sequence = description.writeSequence.littleEndian
    description.namespace.digest.withBytes { digest in
      withUnsafeMutableBytes(of: &header.namespace_digest) { $0.copyMemory(from: digest) }
    }
    withUnsafeMutableBytes(of: &header.tenant_tag) {
      description.tenantTag.store(to: $0.baseAddress!)
    }
    withUnsafeMutableBytes(of: &header.key) { description.key.store(to: $0.baseAddress!) }
    withUnsafeMutableBytes(of: &header.parent_key) {
      description.parentKey.store(to: $0.baseAddress!)
    }
    header.position = description.position.littleEndian
    header.group = description.group.littleEndian
    header.part_count = description.partCount.littleEndian
    header.part_map = partMap(description.partCount).littleEndian
    header.head_count = UInt16(truncatingIfNeeded: shape.headCount).littleEndian
    header.layer_count = UInt16(truncatingIfNeeded: shape.layerCount).littleEndian
    header.block_tokens = UInt16(truncatingIfNeeded: shape.blockTokens).littleEndian
    header.element_bytes = UInt16(truncatingIfNeeded: shape.elementBytes).littleEndian
    header.head_bytes = UInt64(truncatingIfNeeded: shape.headBytes).littleEndian
    header.layout = KVBM_SLOT_LAYOUT_UNIVERSAL.littleEndian
    header.wire_block_hash = description.wireBlockHash.littleEndian
    header.wire_sequence_hash = description.wireSequenceHash.littleEndian
    header.created_unix_ns = description.createdUnixNanoseconds.littleEndian
    header.last_used_unix_ns = description.lastUsedUnixNanoseconds.littleEndian
    header.expires_unix_ns = description.expiresUnixNanoseconds.littleEndian
    header.priority = description.priority.littleEndian
    header.checksum_algorithm = KVBM_SLOT_CHECKSUM_XXH3_64.littleEndian
    fill(&header, with: description.producer)
    return header
  }

  private static func fill(_ header: inout kvbm_slot_header, with producer: SlotProducer) {
    withUnsafeMutableBytes(of: &header.producer_engine) { put(producer.engine, into: $0) }
    withUnsafeMutableBytes(of: &header.producer_library) { put(producer.library, into: $0) }
    withUnsafeMutableBytes(of: &header.producer_host) { put(producer.host, into: $0) }
    withUnsafeMutableBytes(of: &header.producer_device) { put(producer.device, into: $0) }
    withUnsafeMutableBytes(of: &header.producer_attention) { put(producer.attention, into: $0) }
    withUnsafeMutableBytes(of: &header.producer_boot_id) {
      producer.bootID.store(to: $0.baseAddress!)
    }
    header.producer_node = producer.nodeInstance.littleEndian
  }

  private static func put(_ text: String, into field: UnsafeMutableRawBufferPointer) {
    for (index, byte) in text.utf8.prefix(field.count).enumerated() { field[index] = byte }
  }

  /// A bit for each part.
  static func partMap(_ partCount: UInt16) -> UInt64 {
    partCount >= 64 ? .max : (1 << UInt64(partCount)) &- 1
  }
}
