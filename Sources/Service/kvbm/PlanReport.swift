import KVBMNode

/// A plan as it is printed, for people and for programs.
struct PlanReport {
  private let plan: CapacityPlan
  private let tiers: [(name: String, tier: CapacityPlan.Tier)]
  private let speeds: [Int]
  private let machine: Machine

  /// What was measured here.
  struct Machine {
    /// Of one thread.
    let memory: MemorySpeed
    /// Where the disk was measured, if one was named.
    let directory: String?
    /// Of one reader; nil where it could not be measured.
    let disk: DiskSpeed?
  }

  /// A report on a plan for tiers of these sizes.
  init(
    _ plan: CapacityPlan, host: ByteSize?, disk: ByteSize?, speeds: [Int], machine: Machine
  ) {
    self.plan = plan
    self.speeds = speeds
    self.machine = machine
    tiers = [("host", host), ("disk", disk)].compactMap { name, size in
      size.map { (name, plan.tier(capacityBytes: $0.bytes)) }
    }
  }

  // MARK: For people

  /// The plan in a few paragraphs.
  var lines: [String] {
    modelLines + [""] + tierLines + [""] + speedLines
      + (plan.notCovered.isEmpty
        ? []
        : [
          "",
          "not covered yet: \(plan.notCovered.joined(separator: ", ")). The engine serves this "
            + "model without offload.",
        ])
  }

  private var modelLines: [String] {
    let model = plan.model
    let heads =
      model.latentSize.map { "latents of \($0)" }
      ?? "\(model.kvHeadCount) KV heads of \(model.headSize)"
    var lines = [
      "model         \(model.modelType): \(model.tokenLayerCount) layers with a KV cache, "
        + "\(heads), \(plan.element.rawValue)",
      "a token       \(ByteSize(bytes: plan.tokenPayloadBytes)) "
        + "(\(grouped(plan.tokenPayloadBytes)) bytes)",
      "a block       \(plan.blockTokens) tokens, \(ByteSize(bytes: plan.slotBytes)) in a tier: "
        + "\(ByteSize(bytes: plan.payloadBytes)) of K and V, "
        + "\(ByteSize(bytes: plan.slotBytes - plan.payloadBytes)) of header and padding",
      "a conversation of \(grouped(plan.contextTokens)) tokens: "
        + "\(grouped(plan.conversationBlocks)) blocks, "
        + "\(ByteSize(bytes: plan.conversationBlocks * plan.slotBytes))",
    ]
    let windowed = plan.groups.contains { $0.kind.window != nil }
    if plan.groups.count > 1 || windowed { lines += groupLines }
    if windowed {
      lines.append(
        "  blocks of a window are stored as they are computed, all of them; to go on with a whole "
          + "conversation an engine loads \(ByteSize(bytes: plan.resumedBytes))")
    }
    if plan.tensorParallel > 1 {
      lines.append(
        "a rank        1 of \(plan.tensorParallel): \(ByteSize(bytes: plan.tokenBytesPerRank)) "
          + "a token on its device; tiers hold every head once")
    }
    if let limit = model.contextMax, plan.contextTokens > limit {
      lines.append("the model itself takes \(grouped(limit)) tokens at most")
    }
    return lines
  }

  /// Groups that are equal in a line.
  private var groupLines: [String] {
    var kinds: [(group: CapacityPlan.Group, count: Int)] = []
    for group in plan.groups {
      if let index = kinds.firstIndex(where: { $0.group == group }) {
        kinds[index].count += 1
      } else {
        kinds.append((group, 1))
      }
    }
    return kinds.map { group, count in
      "  \(name(group.kind)): \(group.shape.layerCount) layers, "
        + "\(ByteSize(bytes: group.shape.slotBytes)) a block"
        + (count > 1 ? ", \(count) groups of them" : "")
    }
  }

  private var tierLines: [String] {
    guard !tiers.isEmpty else {
      return ["give --host SIZE and --disk SIZE to see how much a tier would hold"]
    }
    var rows = [["tier", "size", "blocks", "tokens", "conversations"]]
    for (name, tier) in tiers {
      rows.append([
        name, "\(ByteSize(bytes: tier.capacityBytes))", grouped(tier.blocks),
        grouped(tier.tokens), grouped(tier.conversations),
      ])
    }
    return TextTable.lines(rows)
  }

  private var speedLines: [String] {
    var rows = [["computing", "is as fast as loading at"]]
    for speed in speeds {
      rows.append([
        "\(grouped(speed)) tokens/s",
        rate(plan.breakEvenBytesPerSecond(prefillTokensPerSecond: speed)),
      ])
    }
    let memory = machine.memory
    var lines = TextTable.lines(rows)
    lines.append(
      "this machine copies \(rate(memory.copyBytesPerSecond)) with one thread, and "
        + "\(rate(memory.checkedBytesPerSecond)) with the check that every load makes:")
    lines.append(
      "loading from host memory wins while an engine computes fewer than "
        + tokens(memory.checkedBytesPerSecond))
    if let disk = machine.disk {
      lines.append("one reader of the disk gets \(rate(disk.readBytesPerSecond)):")
      lines.append(
        "loading from disk wins while an engine computes fewer than "
          + tokens(disk.readBytesPerSecond))
    } else if let directory = machine.directory {
      lines.append("the disk at \(directory) could not be measured; see kvbm doctor --disk DIR")
    }
    return lines
  }

  private func tokens(_ bytesPerSecond: Int) -> String {
    "\(grouped(plan.breakEvenTokensPerSecond(bytesPerSecond: bytesPerSecond))) tokens/s"
  }

  private func name(_ kind: CapacityPlan.Group.Kind) -> String {
    switch kind {
    case .full: "full attention"
    case .latent: "latents (MLA)"
    case .sliding(let window):
      window.map { "a window of \(grouped($0)) tokens" } ?? "chunks of tokens"
    case .slidingLatent(let window):
      window.map { "latents (MLA) of a window of \(grouped($0)) tokens" }
        ?? "latents (MLA) of chunks of tokens"
    }
  }

  private func rate(_ bytesPerSecond: Int) -> String {
    "\(ByteSize(bytes: bytesPerSecond))/s"
  }

  private func grouped(_ number: Int) -> String { TextTable.grouped(number) }

  // MARK: For programs

  /// The same figures, unrounded. Rates are bytes a second.
  var output: Output {
    Output(
      modelType: plan.model.modelType, layers: plan.model.tokenLayerCount,
      kvHeads: plan.model.latentSize == nil ? plan.model.kvHeadCount : nil,
      headSize: plan.model.latentSize ?? plan.model.headSize, kvDtype: plan.element.rawValue,
      blockTokens: plan.blockTokens, contextTokens: plan.contextTokens,
      tensorParallel: plan.tensorParallel, tokenBytes: plan.tokenPayloadBytes,
      tokenBytesPerRank: plan.tokenBytesPerRank, blockBytes: plan.payloadBytes,
      slotBytes: plan.slotBytes, headerBytes: plan.headerBytes,
      conversationBytes: plan.conversationBlocks * plan.slotBytes,
      resumedBytes: plan.resumedBytes, groups: plan.groups.map(GroupOutput.init),
      tiers: Dictionary(uniqueKeysWithValues: tiers.map { ($0.name, $0.tier) }),
      breakEven: speeds.map {
        BreakEven(
          prefillTokensPerSecond: $0,
          bytesPerSecond: plan.breakEvenBytesPerSecond(prefillTokensPerSecond: $0))
      },
      measuredCopyBytesPerSecond: machine.memory.copyBytesPerSecond,
      measuredCheckedBytesPerSecond: machine.memory.checkedBytesPerSecond,
      measuredDiskBytesPerSecond: machine.disk?.readBytesPerSecond,
      notCovered: plan.notCovered)
  }

  /// The object that `--json` prints.
  struct Output: Encodable {
    let modelType: String
    let layers: Int
    let kvHeads: Int?
    let headSize: Int
    let kvDtype: String
    let blockTokens: Int
    let contextTokens: Int
    let tensorParallel: Int
    let tokenBytes: Int
    let tokenBytesPerRank: Int
    let blockBytes: Int
    let slotBytes: Int
    let headerBytes: Int
    let conversationBytes: Int
    let resumedBytes: Int
    let groups: [GroupOutput]
    let tiers: [String: CapacityPlan.Tier]
    let breakEven: [BreakEven]
    let measuredCopyBytesPerSecond: Int
    let measuredCheckedBytesPerSecond: Int
    let measuredDiskBytesPerSecond: Int?
    let notCovered: [String]
  }

  /// A cache group: its kind, its window in tokens where it has one, and its size.
  struct GroupOutput: Encodable {
    let kind: String
    let windowTokens: Int?
    let layers: Int
    let blockBytes: Int
    let slotBytes: Int

    init(_ group: CapacityPlan.Group) {
      switch group.kind {
      case .full: kind = "full"
      case .sliding: kind = "sliding"
      case .latent: kind = "mla"
      case .slidingLatent: kind = "sliding_mla"
      }
      windowTokens = group.kind.window
      layers = group.shape.layerCount
      blockBytes = group.shape.payloadBytes
      slotBytes = group.shape.slotBytes
    }
  }

  /// A prefill speed, and how fast loading has to be beside it.
  struct BreakEven: Encodable {
    let prefillTokensPerSecond: Int
    let bytesPerSecond: Int
  }
}
