/// The 128-bit identity of a block: equal keys mean equal bytes.
///
/// Keys are prefixes of a cryptographic hash, so any of their bits serve as a hash, and nobody can
/// craft a prompt whose key is another's.
public struct BlockKey: Hashable, Sendable, BitwiseCopyable {
  /// The first eight bytes, read as a little-endian integer.
  public var high: UInt64
  /// The last eight bytes, likewise.
  public var low: UInt64

  /// The key of two halves.
  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The key from its 16 bytes, as hashed, sent and stored.
  @inlinable
  public init(bytes: UnsafeRawPointer) {
    high = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    low = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  /// Writes the key's 16 bytes.
  @inlinable
  public func store(to bytes: UnsafeMutableRawPointer) {
    bytes.storeBytes(of: high.littleEndian, as: UInt64.self)
    bytes.storeBytes(of: low.littleEndian, toByteOffset: 8, as: UInt64.self)
  }

  /// No key: the parent of a first block, and the mark of slots without one.
  @inlinable
  public static var none: BlockKey { BlockKey(high: 0, low: 0) }

  /// The name of the block that a cache group has for this key's tokens.
  ///
  /// Group 0 has the key itself. Others differ by a constant, which keeps collisions as hard as
  /// they are: two inputs whose digests differ by a chosen value are as hard to find as equal ones.
  @inlinable
  public func inGroup(_ group: Int) -> BlockKey {
    BlockKey(high: high, low: low ^ (UInt64(truncatingIfNeeded: group) &* 0x9E37_79B9_7F4A_7C15))
  }
}

extension BlockKey: CustomStringConvertible {
  /// The 16 bytes in hexadecimal, in the order in which they are stored.
  public var description: String { Hexadecimal.string(high) + Hexadecimal.string(low) }
}

/// Lower-case digits, two a byte, without Foundation.
enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  /// A word's bytes as they are stored, least significant first.
  static func string(_ word: UInt64) -> String {
    withUnsafeBytes(of: word.littleEndian) { string($0) }
  }

  /// Bytes in order.
  static func string(_ bytes: UnsafeRawBufferPointer) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { text in
      for (position, byte) in bytes.enumerated() {
        text[2 * position] = digits[Int(byte >> 4)]
        text[2 * position + 1] = digits[Int(byte & 15)]
      }
      return bytes.count * 2
    }
  }
}
