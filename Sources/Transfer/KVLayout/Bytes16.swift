/// Sixteen bytes that are compared and stored, and never computed with: a tag, a boot id.
public struct Bytes16: Hashable, Sendable, BitwiseCopyable {
  /// The first eight bytes, in memory order.
  public var first: UInt64
  /// The last eight bytes, in memory order.
  public var last: UInt64

  /// Sixteen zero bytes.
  public static let zero = Bytes16()

  /// Two words in memory order.
  public init(first: UInt64 = 0, last: UInt64 = 0) {
    self.first = first
    self.last = last
  }

  /// The 16 bytes at `bytes`, of any alignment.
  public init(bytes: UnsafeRawPointer) {
    first = bytes.loadUnaligned(as: UInt64.self)
    last = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }

  /// Writes the 16 bytes.
  public func store(to bytes: UnsafeMutableRawPointer) {
    bytes.storeBytes(of: first, as: UInt64.self)
    bytes.storeBytes(of: last, toByteOffset: 8, as: UInt64.self)
  }
}
