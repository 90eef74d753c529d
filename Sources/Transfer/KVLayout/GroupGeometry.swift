/// One cache group as an engine describes it: what its layers hold, and a block's shape.
public struct GroupGeometry: Hashable, Sendable {
  /// What a group's layers keep. The numbers are those of `kvbm.h`.
  public enum Kind: UInt32, Sendable {
    /// Every token's K and V.
    case full = 0
    /// K and V of a window of tokens.
    case sliding = 1
    /// A recurrent state, opaque.
    case state = 2
  }

  /// What the group's layers keep.
  public let kind: Kind
  /// The shape of one block.
  public let shape: BlockShape

  /// A geometry of a shape that was checked before.
  public init(kind: Kind, shape: BlockShape) {
    self.kind = kind
    self.shape = shape
  }

  /// A checked geometry.
  ///
  /// - Throws: `LayoutError`, as `BlockShape.init`.
  public init(
    kind: Kind, headCount: Int, layerCount: Int, blockTokens: Int, tokenBytes: Int,
    elementBytes: Int
  ) throws(LayoutError) {
    self.kind = kind
    shape = try BlockShape(
      headCount: headCount, layerCount: layerCount, blockTokens: blockTokens,
      tokenBytes: tokenBytes, elementBytes: elementBytes)
  }

  /// KV heads of the group, over all ranks.
  public var headCount: Int { shape.headCount }
  /// Layers of the group.
  public var layerCount: Int { shape.layerCount }
  /// Tokens of one block.
  public var blockTokens: Int { shape.blockTokens }
  /// Bytes of K and V together, of one token, head and layer.
  public var tokenBytes: Int { shape.tokenBytes }
  /// Bytes of one element of K or V.
  public var elementBytes: Int { shape.elementBytes }
  /// Bytes of one head of a block.
  public var headBytes: Int { shape.headBytes }
  /// Bytes of a block without header and padding.
  public var payloadBytes: Int { shape.payloadBytes }
  /// Bytes of a slot's header.
  public var headerBytes: Int { shape.headerBytes }
  /// Bytes of a block's slot.
  public var slotBytes: Int { shape.slotBytes }
}
