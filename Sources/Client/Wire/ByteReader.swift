import BlockIdentity

/// Reads little-endian fields and never past the end; what is missing is an error, not a trap.
///
/// The bytes must be the reader's own copy: shared memory can change between check and use.
public struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  /// A reader of bytes that outlive it.
  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Bytes that are still to be read.
  public var remaining: Int { bytes.count - offset }

  /// Takes the next field, an integer of the type's size.
  ///
  /// - Throws: `malformed` when the message is shorter; nothing is taken then.
  public mutating func take<Word: FixedWidthInteger>(
    _ type: Word.Type = Word.self
  ) throws(WireError) -> Word {
    let size = MemoryLayout<Word>.size
    guard remaining >= size else { throw .malformed }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Word.self)
    offset += size
    return Word(littleEndian: value)
  }

  /// Takes a block's key: 16 bytes, as two words.
  ///
  /// - Throws: `malformed` when the message is shorter.
  public mutating func takeKey() throws(WireError) -> BlockKey {
    BlockKey(high: try take(), low: try take())
  }

  /// Takes so many bytes as they are; they live as long as the reader's.
  ///
  /// - Throws: `malformed` when the message is shorter; nothing is taken then.
  public mutating func takeBytes(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw .malformed }
    let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    offset += count
    return slice
  }

  /// Takes bytes that a 32-bit count precedes, as `ByteWriter.putBlob` wrote them.
  ///
  /// - Throws: `malformed` when the message is shorter than the count says.
  public mutating func takeBlob() throws(WireError) -> UnsafeRawBufferPointer {
    let count: UInt32 = try take()
    return try takeBytes(Int(count))
  }

  /// Takes a blob as UTF-8; what is no UTF-8 is replaced, not refused.
  ///
  /// - Throws: `malformed` when the message is shorter than the count says.
  public mutating func takeText() throws(WireError) -> String {
    String(decoding: try takeBlob(), as: UTF8.self)
  }

  /// A count of items that take at least `itemBytes` each, so that a false count costs nothing.
  public mutating func takeCount(itemBytes: Int) throws(WireError) -> Int {
    let count: UInt32 = try take()
    guard Int(count) <= remaining / max(1, itemBytes) else { throw .malformed }
    return Int(count)
  }

  /// Takes a count and so many keys.
  ///
  /// - Throws: `malformed` when the message is shorter than the count says.
  /// - Complexity: O(count); a false count allocates nothing.
  public mutating func takeKeys() throws(WireError) -> [BlockKey] {
    let count = try takeCount(itemBytes: 16)
    let raw = try takeBytes(count * 16)
    return (0..<count).map { BlockKey(bytes: raw.baseAddress! + 16 * $0) }
  }

  /// The message must be over.
  public func finish() throws(WireError) {
    guard remaining == 0 else { throw .malformed }
  }
}

extension [UInt8] {
  /// Reads a message from these bytes.
  public func decode<Message>(
    _ body: (inout ByteReader) throws(WireError) -> Message
  ) throws(WireError) -> Message {
    let result: Result<Message, WireError> = withUnsafeBytes { raw in
      var reader = ByteReader(raw)
      do throws(WireError) { return .success(try body(&reader)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
