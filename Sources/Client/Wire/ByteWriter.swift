import BlockIdentity

/// Appends little-endian fields to a message that grows.
public struct ByteWriter {
  /// The message so far.
  public private(set) var bytes: [UInt8] = []

  /// An empty message.
  public init() {}

  /// The message's length in bytes, which is also the offset of the next field.
  public var count: Int { bytes.count }

  /// Begins another message in the same memory.
  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Appends an integer of the type's size.
  public mutating func put<Word: FixedWidthInteger>(_ value: Word) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends a block's key: 16 bytes, as two words.
  public mutating func put(_ key: BlockKey) {
    put(key.high)
    put(key.low)
  }

  /// Bytes as they are, without a length.
  public mutating func putRaw(_ raw: some Collection<UInt8>) { bytes.append(contentsOf: raw) }

  /// Length-prefixed bytes.
  public mutating func putBlob(_ blob: some Collection<UInt8>) {
    put(UInt32(truncatingIfNeeded: blob.count))
    bytes.append(contentsOf: blob)
  }

  /// Appends a text as a blob of UTF-8.
  public mutating func putText(_ text: String) { putBlob(Array(text.utf8)) }

  /// Appends a 32-bit count and the keys; 16 bytes each.
  public mutating func putKeys(_ keys: some Collection<BlockKey>) {
    put(UInt32(truncatingIfNeeded: keys.count))
    bytes.reserveCapacity(bytes.count + keys.count * 16)
    for key in keys { put(key) }
  }

  /// Overwrites a field that was put before; `offset` must lie within the message.
  public mutating func patch(_ value: UInt32, at offset: Int) {
    withUnsafeBytes(of: value.littleEndian) { raw in
      for index in 0..<4 { bytes[offset + index] = raw[index] }
    }
  }
}
