import Testing

@testable import KVBMNode

@Suite("ModelConfig")
struct ModelConfigTests {
  private func read(_ json: String) throws(ModelConfigError) -> ModelConfig {
    try ModelConfig(json: Array(json.utf8))
  }

  @Test("A Llama says its KV heads, and its head size by division")
  func llama() throws {
    let model = try read(
      """
      {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
       "num_attention_heads": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
       "sliding_window": null, "rope_scaling": {"factor": 8.0}, "eos_token_id": [1, 2]}
      """)
    #expect(model.layers == Array(repeating: .full, count: 32))
    #expect((model.kvHeadCount, model.headSize, model.dtype) == (8, 128, "bfloat16"))
    #expect(model.latentSize == nil)
  }

  @Test("A head size that is said wins over the division; KV heads default to all heads")
  func explicitHeadSize() throws {
    let model = try read(
      """
      {"hidden_size": 2560, "num_hidden_layers": 2, "num_attention_heads": 8, "head_dim": 256,
       "num_key_value_heads": null, "dtype": "float16"}
      """)
    #expect((model.kvHeadCount, model.headSize, model.dtype) == (8, 256, "float16"))
  }

  @Test("A multimodal model's numbers are those of its language model")
  func nested() throws {
    let model = try read(
      """
      {"model_type": "gemma3", "num_attention_heads": 99, "torch_dtype": "bfloat16",
       "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 12,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}
      """)
    #expect((model.headCount, model.dtype) == (8, "bfloat16"))
    let full = model.layers.indices.filter { model.layers[$0] == .full }
    #expect(full == [5, 11])
    #expect(model.layers[0] == .sliding(window: 1024))
  }

  @Test(
    "Families say which layers slide in ways of their own",
    arguments: [
      ("\"model_type\": \"mistral\", \"sliding_window\": 512", [Int]()),
      ("\"model_type\": \"gemma2\", \"sliding_window\": 256", [1, 3]),
      ("\"model_type\": \"cohere2\", \"sliding_window\": 9, \"sliding_window_pattern\": 4", [3]),
      ("\"model_type\": \"qwen2\", \"sliding_window\": 256", [0, 1, 2, 3]),
      ("\"model_type\": \"mistral\", \"sliding_window\": 0", [0, 1, 2, 3]),
      (
        "\"model_type\": \"qwen2\", \"sliding_window\": 256, \"use_sliding_window\": true, "
          + "\"max_window_layers\": 3", [0, 1, 2]
      ),
      (
        "\"layer_types\": [\"sliding_attention\", \"full_attention\", \"linear_attention\", "
          + "\"full_attention\"], \"sliding_window\": 128", [1, 3]
      ),
      ("\"full_attention_interval\": 4", [3]),
      ("\"attn_layer_period\": 4, \"attn_layer_offset\": 2", [2]),
      ("\"hybrid_override_pattern\": \"M-*M\"", [2]),
    ])
  func fullLayers(keys: String, full: [Int]) throws {
    let model = try read(
      "{\"hidden_size\": 64, \"num_hidden_layers\": 4, \"num_attention_heads\": 4, \(keys)}")
    #expect(model.layers.count == 4)
    #expect(model.layers.indices.filter { model.layers[$0] == .full } == full)
  }

  @Test("Latent attention has one latent instead of heads")
  func latent() throws {
    let model = try read(
      """
      {"hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
       "kv_lora_rank": 512, "qk_rope_head_dim": 64}
      """)
    #expect(model.latentSize == 576)
  }

  @Test("Layers that read the cache of earlier ones keep nothing")
  func sharedLayers() throws {
    let model = try read(
      """
      {"hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
       "num_kv_shared_layers": 2}
      """)
    #expect(model.tokenLayerCount == 4)
  }

  @Test(
    "What is wrong is named by its key",
    arguments: [
      ("nonsense", "not a JSON object"),
      ("[1]", "not a JSON object"),
      ("{}", "num_attention_heads is missing"),
      ("{\"num_attention_heads\": 4}", "hidden_size is missing"),
      ("{\"num_attention_heads\": 4, \"hidden_size\": 64}", "num_hidden_layers is missing"),
      ("{\"num_attention_heads\": -4}", "num_attention_heads is -4; it must be a whole number"),
      ("{\"num_attention_heads\": 1e30}", "num_attention_heads is"),
      ("{\"num_attention_heads\": \"4\"}", "num_attention_heads is \"4\""),
      ("{\"num_attention_heads\": 4, \"hidden_size\": 2}", "hidden_size is 2"),
      (
        "{\"num_attention_heads\": 4, \"hidden_size\": 64, \"layer_types\": [\"magic\"]}",
        "layer_types is \"magic\""
      ),
      ("{\"compress_ratios\": [1]}", "compress_ratios says that the layers differ"),
    ])
  func refused(json: String, said: String) {
    let error = #expect(throws: ModelConfigError.self) { try read(json) }
    #expect(error?.description.contains(said) == true)
  }
}
