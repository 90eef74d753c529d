import ArgumentParser
import BlockPolicy
import KVBMNode
import KVBMReplay

/// What a replay can be played on.
enum ReplayWay: String, ExpressibleByArgument, CaseIterable {
  /// A block pool alone: what its policy makes of the trace.
  case pool
  /// The engine of a node, over host memory and disk.
  case engine
}

/// The tiers of a replay through the engine, and how fast they are.
struct ReplayTierOptions: ParsableArguments {
  @Option(help: "Play it on a block pool, or on the engine of a node; engine with --disk-blocks.")
  var through: ReplayWay?

  @Option(help: "Blocks of the disk tier, 0 for none; several with commas.")
  var diskBlocks: String?

  @Option(help: "From host memory to the device, as in 10GB/s (the default).")
  var hostSpeed: String?

  @Option(help: "From and to the disk, as in 2GB/s (the default).")
  var diskSpeed: String?

  @Option(help: "How fast prompts are computed, as in 5000tok/s (the default).")
  var prefillSpeed: String?

  @Option(
    help: """
      So many tokens before it make a token take twice as long to compute, as in 30000; by default \
      they make no difference.
      """)
  var prefillContext: Double?

  @Option(help: "Bytes of one block, as in 2MiB (the default).")
  var blockBytes: String?

  @Option(
    help: """
      What of the host tier is written to disk, with commas: \
      \(AdmissionChoice.forms.joined(separator: ", ")).
      """)
  var diskAdmission: String?

  @Option(help: "What may be written to disk in a day, as in 500GiB; any by default.")
  var diskWriteBudget: String?

  /// One setup for each pair of capacities and admission to the disk; nil for a replay on a pool.
  ///
  /// - Throws: `ValidationError` for a value that cannot be, or has no meaning on a pool.
  func setups(hostBlocks: [Int], blockTokens: Int) throws -> [TierSetup]? {
    let isOverEngine = through == .engine || diskBlocks != nil && through == nil
    guard isOverEngine else {
      for (name, value) in [
        ("--disk-blocks", diskBlocks), ("--host-speed", hostSpeed), ("--disk-speed", diskSpeed),
        ("--prefill-speed", prefillSpeed), ("--block-bytes", blockBytes),
        ("--disk-admission", diskAdmission), ("--disk-write-budget", diskWriteBudget),
        ("--prefill-context", prefillContext.map { "\($0)" }),
      ] where value != nil {
        throw ValidationError("\(name) is for --through engine: a pool has one tier and no clock")
      }
      return nil
    }
    let capacities = try Self.counts(diskBlocks ?? "0")
    let admissions = try Self.admissions(diskAdmission ?? AdmissionChoice.all.rawValue)
    let disks = capacities.flatMap { disk in admissions.map { (disk, $0) } }
    return try hostBlocks.flatMap { host in
      try disks.map { disk, admission in
        var setup = TierSetup(hostBlocks: host, diskBlocks: disk)
        setup.blockTokens = blockTokens
        if let hostSpeed { setup.hostSpeed = try Self.speed(hostSpeed, "--host-speed") }
        if let diskSpeed { setup.diskSpeed = try Self.speed(diskSpeed, "--disk-speed") }
        if let prefillSpeed { setup.prefillSpeed = try Self.tokens(prefillSpeed) }
        setup.prefillContext = try prefillContext.map(Self.context)
        if let blockBytes { setup.blockBytes = try Self.size(blockBytes) }
        setup.diskAdmission = admission
        if let diskWriteBudget { setup.writeBudgetBytes = try Self.budget(diskWriteBudget) }
        return setup
      }
    }
  }

  private static func counts(_ text: String) throws -> [Int] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let count = Int(part), (0...Int(Int32.max)).contains(count) else {
        throw ValidationError(
          "--disk-blocks \(text) must be numbers from 0 to \(Int32.max) with commas between them")
      }
      return count
    }
  }

  private static func admissions(_ text: String) throws -> [AdmissionChoice] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let choice = AdmissionChoice(rawValue: String(part)) else {
        throw ValidationError("--disk-admission \(text) must be of \(AdmissionChoice.remedy)")
      }
      return choice
    }
  }

  private static func budget(_ text: String) throws -> Int {
    guard let bytes = ByteSize(text)?.bytes, bytes > 0 else {
      throw ValidationError("--disk-write-budget \(text) must be a size, as in 500GiB")
    }
    return bytes
  }

  private static func speed(_ text: String, _ name: String) throws -> Double {
    let size = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
    guard let bytes = ByteSize(size)?.bytes, bytes > 0 else {
      throw ValidationError("\(name) \(text) must be bytes a second, as in 10GB/s or 800MiB/s")
    }
    return Double(bytes)
  }

  private static func tokens(_ text: String) throws -> Double {
    let number = text.hasSuffix("tok/s") ? String(text.dropLast(5)) : text
    guard let tokens = Double(number), tokens > 0, tokens.isFinite else {
      throw ValidationError("--prefill-speed \(text) must be tokens a second, as in 5000tok/s")
    }
    return tokens
  }

  private static func context(_ tokens: Double) throws -> Double {
    guard tokens > 0, tokens.isFinite else {
      throw ValidationError("--prefill-context \(tokens) must be tokens, as in 30000")
    }
    return tokens
  }

  private static func size(_ text: String) throws -> Int {
    // What is moved is counted in bytes: so many blocks of them must stay a number.
    guard let bytes = ByteSize(text)?.bytes, (1...1 << 30).contains(bytes) else {
      throw ValidationError("--block-bytes \(text) must be a size up to 1GiB, as in 2MiB")
    }
    return bytes
  }
}
