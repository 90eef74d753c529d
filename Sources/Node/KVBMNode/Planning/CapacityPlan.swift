import KVLayout

/// What a model's KV weighs in our slots, and how much of it a tier holds. Pure arithmetic.
public struct CapacityPlan: Sendable {
  /// Layers that are stored together, and the slot that a block of them takes.
  public struct Group: Hashable, Sendable {
    /// What its layers keep.
    public enum Kind: Hashable, Sendable {
      /// K and V of every token.
      case full
      /// K and V of the last so many tokens.
      case sliding(window: Int?)
      /// One latent of every token (MLA).
      case latent
      /// One latent of the last so many tokens.
      case slidingLatent(window: Int?)

      /// Whether one latent takes the place of K and V of heads.
      var isLatent: Bool {
        switch self {
        case .latent, .slidingLatent: true
        case .full, .sliding: false
        }
      }

      /// What the engine keeps on its device, in tokens; nil for all.
      public var window: Int? {
        switch self {
        case .sliding(let window), .slidingLatent(let window): window
        case .full, .latent: nil
        }
      }
    }

    /// What its layers keep.
    public let kind: Kind
    /// One block of all its layers.
    public let shape: BlockShape
  }

  /// What a tier of some capacity holds.
  public struct Tier: Hashable, Sendable, Encodable {
    /// Of the tier.
    public let capacityBytes: Int
    /// Blocks of all groups.
    public let blocks: Int
    /// Tokens of those blocks.
    public let tokens: Int
    /// Whole conversations of the plan's context.
    public let conversations: Int
  }

  /// Whose cache it is.
  public let model: ModelConfig
  /// Tokens of one block.
  public let blockTokens: Int
  /// What each number is stored in.
  public let element: KVElement
  /// Ranks that share the heads.
  public let tensorParallel: Int
  /// Tokens of one conversation.
  public let contextTokens: Int
  /// The cache groups as vLLM makes them, each with at least one layer.
  public let groups: [Group]

  /// A plan for a model.
  ///
  /// - Throws: The first setting that does not fit the model.
  public init(
    _ model: ModelConfig, blockTokens: Int = 16, element: KVElement, tensorParallel: Int = 1,
    contextTokens: Int = 8192
  ) throws(ConfigurationError) {
    try Self.check("block-size", blockTokens, 1...BlockShape.blockTokensMax)
    try Self.check("context", contextTokens, 1...1 << 30)
    try Self.check("tp", tensorParallel, 1...1024)
    self.model = model
    self.blockTokens = blockTokens
    self.element = element
    self.tensorParallel = tensorParallel
    self.contextTokens = contextTokens
    guard model.headCount % tensorParallel == 0,
      model.latentSize != nil || model.kvHeadCount % tensorParallel == 0
        || tensorParallel % model.kvHeadCount == 0
    else {
      throw ConfigurationError(
        key: "tp", value: "\(tensorParallel)",
        remedy: "a divisor of the model's \(model.headCount) heads that also fits its "
          + "\(model.kvHeadCount) KV heads")
    }
    groups = try Self.groups(model, blockTokens: blockTokens, element: element)
  }

  private static func check(
    _ key: String, _ value: Int, _ range: ClosedRange<Int>
  ) throws(ConfigurationError) {
    guard range.contains(value) else {
      throw ConfigurationError(
        key: key, value: "\(value)", remedy: "\(range.lowerBound) to \(range.upperBound)")
    }
  }
}

extension CapacityPlan {
  /// Bytes of K and V of one block, all groups.
  public var payloadBytes: Int { groups.reduce(0) { $0 + $1.shape.payloadBytes } }
  /// Bytes of headers of one block, all groups.
  public var headerBytes: Int { groups.reduce(0) { $0 + $1.shape.headerBytes } }
  /// Bytes that one block takes in a tier: headers, K and V, padding.
  public var slotBytes: Int { groups.reduce(0) { $0 + $1.shape.slotBytes } }
  /// Bytes of K and V of one token.
  public var tokenPayloadBytes: Int { payloadBytes / blockTokens }
  /// Bytes that one token takes in a tier.
  public var tokenBytes: Double { Double(slotBytes) / Double(blockTokens) }

  /// Bytes of one token on one rank's device. Heads are repeated where there are too few.
  public var tokenBytesPerRank: Int {
    groups.reduce(0) { sum, group in
      let heads = max(1, group.shape.headCount / tensorParallel)
      return sum + heads * group.shape.layerCount * group.shape.tokenBytes
    }
  }

  /// Full blocks of one conversation: a last part of a block is not stored.
  public var conversationBlocks: Int { contextTokens / blockTokens }

  /// Full blocks at a conversation's end that an engine needs to go on with it, over all groups:
  /// their bytes in a tier. The others of a window are stored for hits of other lengths.
  public var resumedBytes: Int {
    groups.reduce(0) { sum, group in
      let blocks = group.kind.window.map { ($0 + blockTokens - 2) / blockTokens } ?? .max
      return sum + min(conversationBlocks, blocks) * group.shape.slotBytes
    }
  }

  /// What a tier holds. Every layer counts with all tokens, those of a window too: they are stored
  /// as they are computed.
  public func tier(capacityBytes: Int) -> Tier {
    let blocks = max(0, capacityBytes) / slotBytes
    return Tier(
      capacityBytes: capacityBytes, blocks: blocks, tokens: blocks * blockTokens,
      conversations: conversationBlocks == 0 ? 0 : blocks / conversationBlocks)
  }

  /// The bytes a second from which on loading takes no longer than computing.
  public func breakEvenBytesPerSecond(prefillTokensPerSecond: Int) -> Int {
    Int(clamping: (Double(prefillTokensPerSecond) * tokenBytes).rounded(.up))
  }

  /// The prefill speed up to which loading with so many bytes a second takes no longer.
  public func breakEvenTokensPerSecond(bytesPerSecond: Int) -> Int {
    Int(clamping: Double(bytesPerSecond) / tokenBytes)
  }
}
