import BlockPolicy

/// What a pool of one size costs under each policy that a tier can be set to; times are nanoseconds
/// a block.
///
/// Cycles are the median of several rounds, in turns with the yardstick; the others the best round.
public struct PoolReport: Encodable, Sendable {
  /// A match of one length.
  public struct Match: Encodable, Sendable {
    /// Blocks of the prefix.
    public let length: Int
    /// When all of it is there, pins included.
    public let hitNs: Double
    /// When not even the first block is: nanoseconds a call.
    public let missCallNs: Double
  }

  /// One eviction policy, by way of the choice that a tier is set to.
  public struct Policy: Encodable, Sendable {
    /// By the name that configurations use.
    public let name: String
    /// Match, release, allocate with eviction, register, release; batches of 64.
    public let fiveStepNs: Double
    /// By the yardstick's.
    public let ratio: Double
    /// All memory of the pool, index and policy included, by slot.
    public let bytesPerBlock: Double
    /// Bytes that the allocator has given out and not had back between opening and the end.
    public let bytesAllocatedAfterOpen: Int
    /// Prefix matches by length.
    public let match: [Match]
    /// Allocation of a batch that must evict.
    public let allocateNs: Double
    /// Registration of a batch that is one sequence.
    public let registerNs: Double
    /// Release of a batch.
    public let releaseNs: Double
  }

  /// Slots of the pool.
  public let blocks: Int
  /// That of the policy that nodes use unless they are told otherwise; see `Policy`.
  public let fiveStepNs: Double
  /// The same on `std::unordered_map` and `std::list`, measured in turns with it.
  public let baselineUnorderedMapNs: Double
  /// The one by the other.
  public let ratio: Double
  /// As `fiveStepNs`.
  public let bytesPerBlock: Double
  /// Every policy; the first one is that of the figures above.
  public let policies: [Policy]
  /// Blocks that should have been found or stored and were not; the figures mean something at 0.
  public let missedBlocks: Int

  /// Measures a pool of so many blocks, at least 4096.
  ///
  /// - Parameter progress: Called with the parts done, of how many.
  public static func measure(
    blockCount: Int, progress: (_ done: Int, _ total: Int) -> Void
  ) -> PoolReport? {
    let choices =
      [EvictionChoice.standard] + EvictionChoice.allCases.filter { $0 != .standard }
    let partCount = 1 + choices.count
    progress(0, partCount)
    guard let cycles = CycleFigures(choices, blockCount: blockCount) else { return nil }
    var missCount = cycles.missCount
    var policies: [Policy] = []
    for (choice, cycle) in zip(choices, cycles.policies) {
      progress(1 + policies.count, partCount)
      let steps = StepFigures(choice, blockCount: blockCount)
      missCount += steps.missCount
      policies.append(
        Policy(
          name: choice.rawValue, fiveStepNs: cycle.fiveStep,
          ratio: cycle.fiveStep / cycles.baseline, bytesPerBlock: cycle.bytesPerBlock,
          bytesAllocatedAfterOpen: cycle.bytesAllocatedAfterOpen, match: steps.matches,
          allocateNs: steps.allocate, registerNs: steps.register, releaseNs: steps.release))
    }
    return PoolReport(
      blocks: blockCount, fiveStepNs: policies[0].fiveStepNs,
      baselineUnorderedMapNs: cycles.baseline, ratio: policies[0].ratio,
      bytesPerBlock: policies[0].bytesPerBlock, policies: policies, missedBlocks: missCount)
  }
}
