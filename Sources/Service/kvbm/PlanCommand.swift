import ArgumentParser
import KVBMNode

/// Says what a model's KV weighs and what tiers of some size would hold.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Plan capacities for a model: bytes per token, conversations per tier, speeds.",
    discussion: """
      Reads the model's config.json; needs neither weights nor node. Speeds are those that loading \
      has to reach to be as fast as computing.
      """)

  @Option(help: "The model's directory, or its config.json.")
  var model: String

  @Option(
    help: "Size of the host tier, or \"auto\" for half of what is free. [KVBM_HOST_CAPACITY]",
    transform: HostCapacity.parse)
  var host: HostCapacity?

  @Option(
    help: "Size of the disk tier; as DIR:SIZE the disk is measured too. [KVBM_DISK_CAPACITY]")
  var disk: String?

  @Option(help: "Tokens of one block, as in the engine.")
  var blockSize = 16

  @Option(help: "What the KV cache is stored in: auto, bfloat16, float16, float32, fp8.")
  var kvDtype = "auto"

  @Option(help: "Ranks of tensor parallelism.")
  var tp = 1

  @Option(help: "Tokens of one conversation.")
  var context = 8192

  @Option(help: "How fast the engine computes a prompt; without it a few speeds are shown.")
  var prefillTokensPerSecond: Int?

  @Flag(help: "Print JSON.")
  var json = false

  private static let usualSpeeds = [1_000, 5_000, 20_000]

  private static let speedMax = 1_000_000_000

  /// Prints the plan.
  ///
  /// - Throws: Exit 64 for a model that cannot be read, or a setting that does not fit it.
  func run() throws {
    if let speed = prefillTokensPerSecond, speed <= 0 || speed > Self.speedMax {
      throw ValidationError(
        "--prefill-tokens-per-second is \(speed); it must be 1 to \(Self.speedMax)")
    }
    let config = try ModelFile.read(model)
    let plan: CapacityPlan
    do throws(ConfigurationError) {
      plan = try CapacityPlan(
        config, blockTokens: blockSize, element: try element(config), tensorParallel: tp,
        contextTokens: context)
    } catch {
      throw ValidationError("--\(error)")
    }
    let (diskSize, directory) = try diskTier()
    let hostSize = try (host ?? HostCapacity.variable())?.resolved(
      reserveBytes: NodeConfiguration.hostReserveBytesDefault)
    let report = PlanReport(
      plan,
      host: hostSize, disk: diskSize,
      speeds: prefillTokensPerSecond.map { [$0] } ?? Self.usualSpeeds,
      machine: PlanReport.Machine(
        memory: MemorySpeed.measure(), directory: directory,
        disk: directory.flatMap {
          DiskSpeed.measure(directory: $0, slotBytes: plan.groups[0].shape.slotBytes)
        }))
    if json { try printJSON(report.output) } else { report.lines.forEach(printLine) }
  }

  /// The disk tier's size, and its directory where one was given.
  private func diskTier() throws -> (ByteSize?, String?) {
    guard let disk else { return (try Environment.byteSize("KVBM_DISK_CAPACITY"), nil) }
    if let size = ByteSize(disk) { return (size, nil) }
    guard disk.contains(":") else {
      throw ValidationError("--disk is \"\(disk)\"; it must be \(ByteSize.remedy), or DIR:SIZE")
    }
    do throws(ConfigurationError) {
      let tier = try ConnectorArguments.Disk(disk)
      return (tier.capacity, tier.path)
    } catch {
      throw ValidationError(error.description)
    }
  }

  private func element(_ config: ModelConfig) throws(ConfigurationError) -> KVElement {
    if kvDtype == "auto" {
      guard let element = KVElement(weights: config.dtype) else {
        throw ConfigurationError(
          key: "kv-dtype", value: "auto",
          remedy: "named: the model's dtype \"\(config.dtype)\" is not one of "
            + KVElement.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return element
    }
    guard let element = KVElement(name: kvDtype) else {
      throw ConfigurationError(key: "kv-dtype", value: kvDtype, remedy: KVElement.remedy)
    }
    return element
  }
}
