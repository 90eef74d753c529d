import BlockIdentity

/// Appends little-endian fields to a message that grows.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public var count: Int { bytes.count }

  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  public mutating func put<Word: FixedWidthInteger>(_ value: Word) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

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

  public mutating func putText(_ text: String) { putBlob(Array(text.utf8)) }

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
