import BlockIdentity
import CSlotFormat
import CXXH3

extension SlotHeader {
  /// How long the header is that begins with these bytes, if a slot of any version begins there.
  ///
  /// For readers that fetch one page first. The answer is unproven until `inspect`.
  /// - Parameter page: at least 24 bytes.
  public static func headerBytes(claimedBy page: UnsafeRawBufferPointer) -> Int? {
    guard page.count >= 24, hasMagic(page) else { return nil }
    let claimed = Int(
      UInt32(littleEndian: page.loadUnaligned(fromByteOffset: 12, as: UInt32.self)))
    guard claimed >= Int(KVBM_SLOT_ALIGNMENT), claimed <= headerBytesMax,
      claimed % Int(KVBM_SLOT_ALIGNMENT) == 0
    else { return nil }
    return claimed
  }

  /// How long the slot is whose header begins with these bytes, as it says; unproven.
  ///
  /// - Parameter page: at least 32 bytes.
  public static func slotBytes(claimedBy page: UnsafeRawBufferPointer) -> Int? {
    guard page.count >= 32, hasMagic(page) else { return nil }
    return Int(
      exactly: UInt64(littleEndian: page.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
  }

  /// Reads a header from bytes that may be anything.
  ///
  /// The bytes are copied once and judged in the copy, so others may write to them meanwhile. In
  /// every version, magic, version, header size and features stand where they stand now, and the
  /// last eight of the first 512 bytes are the checksum; so damage is told from another version.
  ///
  /// - Parameters:
  ///   - header: from the slot's beginning on; as much as the header has, or the whole slot.
  ///   - slotBytes: the size of the slot, as the reader knows it.
  /// - Complexity: O(header bytes).
  public static func inspect(
    _ header: UnsafeRawBufferPointer, slotBytes: Int
  ) -> Result<SlotDescription, HeaderFault> {
    withHeaderCopy(header) { copy in describe(copy, slotBytes: slotBytes) }
  }

  /// Calls `body` with a proven copy of the header: of any version, but as it was written.
  package static func withHeaderCopy<Value>(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (UnsafeMutableRawBufferPointer) -> Result<Value, HeaderFault>
  ) -> Result<Value, HeaderFault> {
    guard bytes.count >= fixedBytes else { return .failure(.badSizes) }
    guard let headerBytes = headerBytes(claimedBy: bytes) else {
      if hasMagic(bytes) { return .failure(.badSizes) }
      let page = bytes.prefix(Int(KVBM_SLOT_ALIGNMENT))
      return .failure(page.allSatisfy { $0 == 0 } ? .empty : .notASlot)
    }
    guard headerBytes <= bytes.count else { return .failure(.badSizes) }
    return withUnsafeTemporaryAllocation(byteCount: headerBytes, alignment: 8) { copy in
      copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<headerBytes]))
      let offset = MemoryLayout<kvbm_slot_header>.offset(of: \.header_checksum)!
      let written = UInt64(littleEndian: copy.load(fromByteOffset: offset, as: UInt64.self))
      copy.storeBytes(of: 0, toByteOffset: offset, as: UInt64.self)
      // The size was read from memory that others may write to: take it from the copy alone.
      guard Self.headerBytes(claimedBy: UnsafeRawBufferPointer(copy)) == headerBytes,
        cxxh3_64(copy.baseAddress, headerBytes, 0) == written
      else { return .failure(.badChecksum) }
      return body(copy)
    }
  }

  private static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.prefix(8).elementsEqual(KVBM_SLOT_MAGIC.utf8)
  }

  /// What a proven header says, if this version knows its form.
  package static func describe(
    _ copy: UnsafeMutableRawBufferPointer, slotBytes: Int
  ) -> Result<SlotDescription, HeaderFault> {
    let header = copy.load(as: kvbm_slot_header.self)
    let version = UInt32(littleEndian: header.format_version)
    let features = UInt32(littleEndian: header.incompatible_features)
    guard version == KVBM_SLOT_FORMAT_VERSION, features == 0, header.codec == 0,
      let form = SlotProtection.Form(code: UInt16(littleEndian: header.encryption)),
      UInt32(littleEndian: header.layout) == KVBM_SLOT_LAYOUT_UNIVERSAL,
      UInt32(littleEndian: header.checksum_algorithm) == KVBM_SLOT_CHECKSUM_XXH3_64
    else { return .failure(.unsupported(version: version, features: features)) }
    let partCount = UInt16(littleEndian: header.part_count)
    guard let shape = shape(of: header), shape.headerBytes == copy.count,
      shape.slotBytes == slotBytes, UInt64(littleEndian: header.slot_bytes) == UInt64(slotBytes),
      UInt64(littleEndian: header.payload_bytes) == UInt64(shape.payloadBytes),
      partCount > 0, partCount <= 64,
      UInt64(littleEndian: header.part_map) == partMap(partCount)
    else { return .failure(.contradiction) }
    var result = description(of: header, shape: shape)
    if form != .plain {
      result.protection = SlotProtection(
        form: form, keyID: UInt32(littleEndian: header.protection_key_id))
    }
    return .success(result)
  }

  private static func shape(of header: kvbm_slot_header) -> BlockShape? {
    let layers = Int(UInt16(littleEndian: header.layer_count))
    let tokens = Int(UInt16(littleEndian: header.block_tokens))
    let headBytes = UInt64(littleEndian: header.head_bytes)
    guard layers > 0, tokens > 0, headBytes <= UInt64(BlockShape.slotBytesMax),
      Int(headBytes) % (layers * tokens) == 0
    else { return nil }
    return try? BlockShape(
      headCount: Int(UInt16(littleEndian: header.head_count)), layerCount: layers,
      blockTokens: tokens, tokenBytes: Int(headBytes) / (layers * tokens),
      elementBytes: Int(UInt16(littleEndian: header.element_bytes)))
  }

  private static func description(
    of header: kvbm_slot_header, shape: BlockShape
  ) -> SlotDescription {
    let namespace = withUnsafeBytes(of: header.namespace_digest) {
      Namespace(digest: Digest(bytes: $0.baseAddress!))
    }
    let key = withUnsafeBytes(of: header.key) { BlockKey(bytes: $0.baseAddress!) }
    var result = SlotDescription(
      namespace: namespace, key: key, group: UInt16(littleEndian: header.group), shape: shape)
    result.tenantTag = withUnsafeBytes(of: header.tenant_tag) { Bytes16(bytes: $0.baseAddress!) }
    result.parentKey = withUnsafeBytes(of: header.parent_key) { BlockKey(bytes: $0.baseAddress!) }
    result.position = UInt32(littleEndian: header.position)
    result.partCount = UInt16(littleEndian: header.part_count)
    result.wireBlockHash = UInt64(littleEndian: header.wire_block_hash)
    result.wireSequenceHash = UInt64(littleEndian: header.wire_sequence_hash)
    result.createdUnixNanoseconds = Int64(littleEndian: header.created_unix_ns)
    result.lastUsedUnixNanoseconds = Int64(littleEndian: header.last_used_unix_ns)
    result.expiresUnixNanoseconds = Int64(littleEndian: header.expires_unix_ns)
    result.priority = Int32(littleEndian: header.priority)
    result.writeSequence = UInt64(littleEndian: header.write_sequence)
    result.producer.engine = text(header.producer_engine)
    result.producer.library = text(header.producer_library)
    result.producer.host = text(header.producer_host)
    result.producer.device = text(header.producer_device)
    result.producer.attention = text(header.producer_attention)
    result.producer.bootID = withUnsafeBytes(of: header.producer_boot_id) {
      Bytes16(bytes: $0.baseAddress!)
    }
    result.producer.nodeInstance = UInt64(littleEndian: header.producer_node)
    return result
  }

  private static func text<Field: BitwiseCopyable>(_ field: Field) -> String {
    withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
