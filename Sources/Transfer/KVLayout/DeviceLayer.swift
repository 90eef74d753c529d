/// One layer's device memory: shape `[block][head][token][K|V][element]`, any strides.
///
/// The memory belongs to the engine and must stay mapped while a plan that names it is used.
public struct DeviceLayer: Hashable, @unchecked Sendable, BitwiseCopyable {
  /// K's first element of the first token, head and block.
  public var base: UnsafeMutableRawPointer
  /// Bytes from a block to the next one.
  public var blockStride: Int
  /// Bytes from a head to the next one.
  public var headStride: Int
  /// Bytes from a token to the next one.
  public var tokenStride: Int
  /// Bytes from K to V of the same token and head.
  public var kvStride: Int

  /// A layer at `base`; nothing is checked before a plan is made of it.
  public init(
    base: UnsafeMutableRawPointer, blockStride: Int, headStride: Int, tokenStride: Int,
    kvStride: Int
  ) {
    self.base = base
    self.blockStride = blockStride
    self.headStride = headStride
    self.tokenStride = tokenStride
    self.kvStride = kvStride
  }
}
