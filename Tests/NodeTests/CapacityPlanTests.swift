import Glibc
import Testing

@testable import KVBMNode

@Suite("CapacityPlan")
struct CapacityPlanTests {
  private func model(_ keys: String) throws -> ModelConfig {
    try ModelConfig(json: Array("{\(keys)}".utf8))
  }

  private func llama() throws -> ModelConfig {
    try model(
      """
      "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16"
      """)
  }

  @Test("An 8B Llama weighs 128 KiB a token, and a header more in a tier")
  func weight() throws {
    let plan = try CapacityPlan(llama(), element: .bfloat16)
    #expect(plan.tokenPayloadBytes == 131_072)
    #expect((plan.payloadBytes, plan.headerBytes) == (2 << 20, 4096))
    #expect(plan.slotBytes == (2 << 20) + 4096)
    #expect(plan.notCovered.isEmpty)
  }

  @Test("A tier holds whole blocks, and conversations of whole blocks")
  func tiers() throws {
    let plan = try CapacityPlan(llama(), element: .bfloat16, contextTokens: 1000)
    let tier = plan.tier(capacityBytes: 125 * plan.slotBytes - 1)
    #expect((tier.blocks, tier.tokens) == (124, 1984))
    #expect((plan.conversationBlocks, tier.conversations) == (62, 2))
    #expect(plan.tier(capacityBytes: 0).blocks == 0)
    let short = try CapacityPlan(llama(), element: .bfloat16, contextTokens: 15)
    #expect(short.tier(capacityBytes: 1 << 30).conversations == 0)
  }

  @Test("Loading at the break-even speed takes as long as computing")
  func breakEven() throws {
    let plan = try CapacityPlan(llama(), element: .bfloat16)
    let speed = plan.breakEvenBytesPerSecond(prefillTokensPerSecond: 8000)
    #expect(speed == 8000 * plan.slotBytes / 16)
    #expect(plan.breakEvenTokensPerSecond(bytesPerSecond: speed) == 8000)
    #expect(plan.breakEvenBytesPerSecond(prefillTokensPerSecond: .max) == .max)
  }

  @Test("Ranks share heads, and repeat them where there are too few")
  func ranks() throws {
    let four = try CapacityPlan(llama(), element: .bfloat16, tensorParallel: 4)
    #expect(four.tokenBytesPerRank == 131_072 / 4)
    let sixteen = try CapacityPlan(llama(), element: .bfloat16, tensorParallel: 16)
    #expect(sixteen.tokenBytesPerRank == 131_072 / 8)
    #expect(sixteen.slotBytes == four.slotBytes)
    #expect(four.notCovered.isEmpty)
    let many = try CapacityPlan(
      model(
        """
        "hidden_size": 8192, "num_hidden_layers": 2, "num_attention_heads": 64,
        "num_key_value_heads": 8
        """), element: .bfloat16, tensorParallel: 64)
    #expect(many.notCovered == ["tensor parallelism of 64 (up to 32 is)"])
  }

  @Test("A latent is stored once, and is the same on every rank")
  func latent() throws {
    let plan = try CapacityPlan(
      model(
        """
        "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
        "kv_lora_rank": 512, "qk_rope_head_dim": 64
        """), element: .bfloat16, tensorParallel: 8)
    #expect(plan.tokenPayloadBytes == 61 * 576 * 2)
    #expect(plan.tokenBytesPerRank == plan.tokenPayloadBytes)
    #expect(plan.notCovered.isEmpty)
  }

  @Test("Windows and full attention are groups of their own, and all blocks count")
  func hybrid() throws {
    let plan = try CapacityPlan(
      model(
        """
        "model_type": "gemma2", "hidden_size": 256, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "sliding_window": 256
        """), element: .bfloat16)
    #expect(plan.groups.map(\.kind) == [.sliding(window: 256), .full])
    #expect(plan.payloadBytes == 16 * 4 * 2 * 2 * 64 * 2)
    #expect(plan.headerBytes == 2 * 4096)
    #expect(plan.notCovered.isEmpty)
    // 512 blocks of full attention, and the 16 of which the next token sees one token or more.
    #expect(plan.resumedBytes == (512 + 16) * plan.slotBytes / 2)
  }

  @Test(
    "Layers are split into groups as vLLM does",
    arguments: [
      // Gemma 3 1B: 22 layers slide, 4 do not.
      (26, "\"model_type\": \"gemma3_text\", \"sliding_window\": 512", [4, 4, 4, 4, 3, 3, 4]),
      (62, "\"model_type\": \"gemma3_text\", \"sliding_window\": 1024", [9, 9, 9, 9, 8, 8, 10]),
      // One layer more of one kind is no reason for another group.
      (7, "\"model_type\": \"gemma2\", \"sliding_window\": 256", [4, 3]),
      (5, "\"model_type\": \"gemma2\", \"sliding_window\": 256", [2, 1, 2]),
      (24, "\"model_type\": \"gpt_oss\", \"sliding_window\": 128", [12, 12]),
      (8, "\"model_type\": \"mistral\", \"sliding_window\": 128", [8]),
    ])
  func groups(layerCount: Int, keys: String, expected: [Int]) throws {
    let plan = try CapacityPlan(
      model(
        """
        \(keys), "hidden_size": 64, "num_hidden_layers": \(layerCount), "num_attention_heads": 4
        """), element: .bfloat16)
    #expect(plan.groups.map(\.shape.layerCount) == expected)
    #expect(plan.groups.reduce(0) { $0 + $1.shape.layerCount } == layerCount)
    #expect(plan.notCovered.isEmpty)
  }

  @Test(
    "What the connector refuses is named",
    arguments: [
      ("\"layer_types\": [\"chunked_attention\", \"full_attention\"]", "chunked local attention"),
      ("\"model_type\": \"mistral\", \"sliding_window\": 1", "a sliding window of 1 token"),
      (
        "\"layer_types\": [\"linear_attention\", \"full_attention\"]",
        "layers with a recurrent state"
      ),
      (
        "\"kv_lora_rank\": 16, \"layer_types\": [\"sliding_attention\"], \"sliding_window\": 8",
        "a sliding window over latents (MLA)"
      ),
      (
        "\"layer_types\": [\"full_attention\""
          + String(repeating: ", \"sliding_attention\"", count: 8) + "], \"sliding_window\": 8",
        "a model with 9 cache groups (up to 8 are)"
      ),
    ])
  func refusedModels(keys: String, said: String) throws {
    let plan = try CapacityPlan(
      model("\(keys), \"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4"),
      element: .bfloat16)
    #expect(plan.notCovered == [said])
  }

  @Test("Element types are known by the names that engines use")
  func elements() {
    #expect(KVElement(name: "torch.bfloat16") == .bfloat16)
    #expect(KVElement(name: "fp8_e4m3")?.bytes == 1)
    #expect(KVElement(name: "auto") == nil)
    #expect(KVElement(weights: "float32") == .bfloat16)
    #expect(KVElement(weights: "float16") == .float16)
  }

  @Test("A setting that does not fit the model is refused with what would")
  func refused() throws {
    let model = try llama()
    let tp = #expect(throws: ConfigurationError.self) {
      try CapacityPlan(model, element: .bfloat16, tensorParallel: 3)
    }
    #expect(tp?.remedy.contains("divisor of the model's 32 heads") == true)
    let tokens = #expect(throws: ConfigurationError.self) {
      try CapacityPlan(model, blockTokens: 0, element: .bfloat16)
    }
    #expect(tokens?.key == "block-size")
    let large = #expect(throws: ConfigurationError.self) {
      try CapacityPlan(model, blockTokens: 65_535, element: .float32)
    }
    #expect(large?.remedy.contains("slot") == true)
  }

  @Test("The disk probe leaves nothing behind, and gives up where nothing can be written")
  func diskProbe() throws {
    let directory = "/tmp/kvbm-plan-test-\(getpid())"
    try #require(mkdir(directory, 0o700) == 0)
    if let speed = DiskSpeed.measure(directory: directory, slotBytes: 8192) {
      #expect(speed.readBytesPerSecond > 0)
    }
    #expect(rmdir(directory) == 0)
    #expect(DiskSpeed.measure(directory: "/proc/version", slotBytes: 8192) == nil)
  }

  @Test("The memory probe is quick and finds a speed")
  func probe() {
    let speed = MemorySpeed.measure(milliseconds: 5)
    #expect(speed.copyBytesPerSecond > 1 << 20)
    #expect(speed.checkedBytesPerSecond > 1 << 20)
  }
}
