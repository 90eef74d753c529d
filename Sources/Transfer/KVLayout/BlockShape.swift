import CSlotFormat

/// The shape of one stored block, all heads and layers of its group, and the sizes that follow.
///
/// A value of this type is always valid: sizes neither overflow nor exceed a slot's limit.
public struct BlockShape: Hashable, Sendable, BitwiseCopyable {
  /// KV heads of the group, over all ranks.
  public let headCount: Int
  /// Layers of the group.
  public let layerCount: Int
  /// Tokens of one block.
  public let blockTokens: Int
  /// Bytes of K and V together, of one token, head and layer.
  public let tokenBytes: Int
  /// Bytes of one element of K or V.
  public let elementBytes: Int

  /// The most heads that a group may have; their checksums fit a header of nine pages.
  public static let headCountMax = 4096
  /// The most layers that a group may have.
  public static let layerCountMax = 4096
  /// The most tokens that a block may have.
  public static let blockTokensMax = 65_535
  /// The most bytes that an element may have.
  public static let elementBytesMax = 64
  /// The most bytes that a slot may have.
  public static let slotBytesMax = 1 << 30

  /// A checked shape.
  ///
  /// - Throws: `notPositive`, `tooLarge` or `unevenToken`, naming the number at fault.
  public init(
    headCount: Int, layerCount: Int, blockTokens: Int, tokenBytes: Int, elementBytes: Int
  ) throws(LayoutError) {
    try Self.check("head_count", headCount, limit: Self.headCountMax)
    try Self.check("layer_count", layerCount, limit: Self.layerCountMax)
    try Self.check("block_tokens", blockTokens, limit: Self.blockTokensMax)
    try Self.check("token_bytes", tokenBytes, limit: Self.slotBytesMax)
    try Self.check("element_bytes", elementBytes, limit: Self.elementBytesMax)
    guard tokenBytes % (2 * elementBytes) == 0 else {
      throw .unevenToken(tokenBytes: tokenBytes, elementBytes: elementBytes)
    }
    self.headCount = headCount
    self.layerCount = layerCount
    self.blockTokens = blockTokens
    self.tokenBytes = tokenBytes
    self.elementBytes = elementBytes
    // The limits keep the product of all but the token's bytes below 2^41, and those below 2^31.
    let (payload, overflow) = (headCount * layerCount * blockTokens)
      .multipliedReportingOverflow(by: tokenBytes)
    guard !overflow, payload <= Self.slotBytesMax, slotBytes <= Self.slotBytesMax else {
      throw .tooLarge(
        field: "slot_bytes", value: overflow ? Int.max : payload, limit: Self.slotBytesMax)
    }
  }

  private static func check(_ field: String, _ value: Int, limit: Int) throws(LayoutError) {
    guard value > 0 else { throw .notPositive(field: field, value: value) }
    guard value <= limit else { throw .tooLarge(field: field, value: value, limit: limit) }
  }

  /// Bytes of one layer of one head: tokens × K|V.
  public var layerBytes: Int { blockTokens &* tokenBytes }
  /// Bytes of one head: layers × tokens × K|V, contiguous in a slot.
  public var headBytes: Int { layerCount &* layerBytes }
  /// Bytes of all heads, without padding.
  public var payloadBytes: Int { headCount &* headBytes }
  /// Bytes of the header with its table of checksums, a multiple of 4096.
  public var headerBytes: Int { Self.headerBytes(headCount: headCount) }
  /// Bytes of a whole slot, a multiple of 4096.
  public var slotBytes: Int { headerBytes &+ Self.roundedUp(payloadBytes) }

  /// Where head `head` begins, in bytes from the slot's beginning.
  public func headOffset(_ head: Int) -> Int { headerBytes &+ head &* headBytes }

  /// Bytes of a header that holds `headCount` checksums.
  static func headerBytes(headCount: Int) -> Int {
    roundedUp(Int(KVBM_SLOT_CHECKSUMS_OFFSET) &+ 8 &* headCount)
  }

  private static func roundedUp(_ bytes: Int) -> Int {
    let page = Int(KVBM_SLOT_ALIGNMENT)
    return (bytes &+ page &- 1) & ~(page &- 1)
  }
}
