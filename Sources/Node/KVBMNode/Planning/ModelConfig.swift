/// What a Hugging Face `config.json` says about a model's KV cache.
///
/// A multimodal model's numbers are those of its language model. Names of the Llama, Qwen, Mistral,
/// Gemma, DeepSeek and GPT-2 families are understood.
public struct ModelConfig: Hashable, Sendable {
  /// What a layer keeps of the tokens that went through it.
  public enum LayerKind: Hashable, Sendable {
    /// K and V of every token.
    case full
    /// K and V of the last so many tokens; nil where the number is not said.
    case sliding(window: Int?)
    /// A state of fixed size: recurrent layers.
    case state
    /// Nothing of its own.
    case none
  }

  /// The family, as in "llama".
  public let modelType: String
  /// One entry a layer, first to last.
  public let layers: [LayerKind]
  /// Attention heads.
  public let headCount: Int
  /// Heads of K and V, over all ranks.
  public let kvHeadCount: Int
  /// Elements of K of one head and token; as many of V.
  public let headSize: Int
  /// Elements of one layer and token where K and V are one compressed latent (MLA).
  public let latentSize: Int?
  /// What the weights are stored in: "bfloat16".
  public let dtype: String
  /// The most tokens of a sequence, where it is said.
  public let contextMax: Int?

  /// Reads a `config.json`.
  ///
  /// - Throws: The first thing that is missing or wrong.
  public init(json: [UInt8]) throws(ModelConfigError) {
    let document: JSONValue
    do { document = try JSONValue(json: json) } catch { throw .notJSON("it does not parse") }
    guard let whole = document.members else { throw .notJSON("it is \(document)") }
    let keys = ConfigKeys(whole)
    for key in ["compress_ratios", "global_head_dim", "block_configs", "encoder"]
    where keys.isSet(key) {
      throw .notUnderstood(key: key)
    }
    modelType = keys.text("model_type") ?? "unknown"
    headCount = try keys.count("num_attention_heads", "n_head", "num_heads", "n_heads")
    kvHeadCount = try Self.kvHeadCount(keys, headCount: headCount)
    let rank = try keys.optionalCount("kv_lora_rank")
    let rope = try keys.optionalCount("qk_rope_head_dim") ?? 0
    latentSize = rank.map { $0 + rope }
    headSize = try Self.headSize(keys, headCount: headCount)
    layers = try Self.layers(keys)
    dtype = keys.text("dtype", "torch_dtype") ?? "float32"
    contextMax = try keys.optionalCount(
      "max_position_embeddings", "n_positions", "max_seq_len", "model_max_length")
  }

  private static func kvHeadCount(
    _ keys: ConfigKeys, headCount: Int
  ) throws(ModelConfigError) -> Int {
    if keys.flag("multi_query") == true && keys.flag("new_decoder_architecture") != true {
      return 1
    }
    return try keys.optionalCount(
      "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num",
      "num_attention_groups") ?? headCount
  }

  private static func headSize(
    _ keys: ConfigKeys, headCount: Int
  ) throws(ModelConfigError) -> Int {
    if let size = try keys.optionalCount("head_dim", "hidden_size_per_head", "kv_channels") {
      return size
    }
    let hidden = try keys.count("hidden_size", "n_embd", "d_model")
    guard hidden >= headCount else {
      throw .wrong(
        key: "hidden_size", value: "\(hidden)",
        remedy: "at least one for each of \(headCount) heads")
    }
    return hidden / headCount
  }

  /// How many layers keep something that grows with every token.
  public var tokenLayerCount: Int {
    layers.count { layer in
      switch layer {
      case .full, .sliding: true
      case .state, .none: false
      }
    }
  }
}
