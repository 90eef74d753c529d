extension ModelConfig {
  /// What each layer keeps, by whichever of the ways a family has to say so.
  static func layers(_ keys: ConfigKeys) throws(ModelConfigError) -> [LayerKind] {
    let window = try window(keys)
    if let names = keys.texts("layer_types") ?? keys.texts("layers_block_type") {
      var kinds: [LayerKind] = []
      for name in names { kinds.append(try kind(name, window: window)) }
      return try shared(kinds, keys)
    }
    if let pattern = keys.text("hybrid_override_pattern") {
      return pattern.map { $0 == "*" ? .full : $0 == "M" ? .state : .none }
    }
    let count = try keys.count("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    guard count <= layerCountMax else {
      throw .wrong(
        key: "num_hidden_layers", value: "\(count)", remedy: "at most \(layerCountMax)")
    }
    if let interval = try keys.optionalCount("full_attention_interval") {
      return (0..<count).map { ($0 + 1) % interval == 0 ? .full : .state }
    }
    if let period = try keys.optionalCount("attn_layer_period") {
      let offset = try keys.optionalCount("attn_layer_offset") ?? 0
      return (0..<count).map { $0 % period == offset ? .full : .state }
    }
    return try shared(attention(count, window: window, keys), keys)
  }

  /// No model is near; the format of slots has the same limit.
  private static let layerCountMax = 4096

  /// Families whose `sliding_window` counts only where `use_sliding_window` says so.
  private static let optInFamilies = ["qwen2", "qwen3"]
  /// Every n-th layer is full, where the configuration does not say which are.
  private static let knownPatterns = [
    "gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4, "gpt_oss": 2,
  ]

  private static func window(_ keys: ConfigKeys) throws(ModelConfigError) -> Int? {
    let family = keys.text("model_type") ?? ""
    let isOptIn = optInFamilies.contains { family.hasPrefix($0) }
    guard keys.flag("use_sliding_window") ?? !isOptIn else { return nil }
    return try keys.optionalCount("sliding_window", "sliding_window_size")
  }

  private static func kind(
    _ name: String, window: Int?
  ) throws(ModelConfigError) -> LayerKind {
    switch name {
    case "full_attention", "attention", "global_attention": return .full
    case "sliding_attention", "sliding_window", "local_attention": return .sliding(window: window)
    case "chunked_attention": return .sliding(window: nil)
    case "linear_attention", "mamba", "mamba2", "recurrent", "conv", "hybrid": return .state
    case "mlp", "moe": return .none
    default:
      throw .wrong(
        key: "layer_types", value: "\"\(name)\"",
        remedy: "full_attention, sliding_attention, linear_attention or mamba")
    }
  }

  private static func attention(
    _ count: Int, window: Int?, _ keys: ConfigKeys
  ) throws(ModelConfigError) -> [LayerKind] {
    guard let window else { return Array(repeating: .full, count: count) }
    let named = try keys.optionalCount("sliding_window_pattern")
    let known = keys.text("model_type").flatMap { knownPatterns[$0] }
    if let pattern = named ?? known {
      return (0..<count).map { ($0 + 1) % pattern == 0 ? .full : .sliding(window: window) }
    }
    // Qwen: the first so many layers are full.
    let firstFull = try keys.optionalCount("max_window_layers") ?? 0
    return (0..<count).map { $0 < firstFull ? .full : .sliding(window: window) }
  }

  /// Takes out the last layers where they read the cache of earlier ones (Gemma 3n).
  private static func shared(
    _ kinds: [LayerKind], _ keys: ConfigKeys
  ) throws(ModelConfigError) -> [LayerKind] {
    guard let count = try keys.optionalCount("num_kv_shared_layers") else { return kinds }
    guard count < kinds.count else {
      throw .wrong(
        key: "num_kv_shared_layers", value: "\(count)",
        remedy: "fewer than the model's \(kinds.count) layers")
    }
    return Array(kinds.dropLast(count)) + Array(repeating: .none, count: count)
  }
}
