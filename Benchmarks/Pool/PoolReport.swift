import BlockPolicy

/// What a pool of one size costs; times are nanoseconds a block.
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

  /// One eviction policy.
  public struct Policy: Encodable, Sendable {
    /// By the name that configurations use.
    public let name: String
    /// Its cycle, as `fiveStepNs`.
    public let fiveStepNs: Double
    /// Everything that a pool with it allocates, by slot.
    public let bytesPerBlock: Double
  }

  /// Slots of the pool.
  public let blocks: Int
  /// Match, release, allocate with eviction, register, release; leaf-first; batches of 64.
  public let fiveStepNs: Double
  /// The same on `std::unordered_map` and `std::list`, measured in turns with it.
  public let baselineUnorderedMapNs: Double
  /// The one by the other.
  public let ratio: Double
  /// All memory of the pool, index and policy included, by slot.
  public let bytesPerBlock: Double
  /// Bytes that the allocator has given out and not had back between opening and the end.
  public let bytesAllocatedAfterOpen: Int
  /// Prefix matches by length, leaf-first.
  public let match: [Match]
  /// Allocation of single blocks that must evict.
  public let allocateNs: Double
  /// Registration of a batch that is one sequence.
  public let registerNs: Double
  /// Release of a batch.
  public let releaseNs: Double
  /// The cycle under each policy that a tier can be set to, by way of that choice.
  public let policies: [Policy]
  /// Blocks that should have been found or stored and were not; the figures mean something at 0.
  public let missedBlocks: Int

  /// Measures a pool of so many blocks, at least 4096.
  ///
  /// - Parameter progress: Called with the parts done, of how many.
  public static func measure(
    blockCount: Int, progress: (_ done: Int, _ total: Int) -> Void
  ) -> PoolReport? {
    let choices = EvictionChoice.allCases
    let partCount = 2 + choices.count
    progress(0, partCount)
    guard let cycle = CycleFigures(blockCount: blockCount) else { return nil }
    progress(1, partCount)
    let steps = StepFigures(blockCount: blockCount)
    var policies: [Policy] = []
    for choice in choices {
      progress(2 + policies.count, partCount)
      policies.append(CycleFigures.policy(choice, blockCount: blockCount))
    }
    return PoolReport(
      blocks: blockCount, fiveStepNs: cycle.fiveStep, baselineUnorderedMapNs: cycle.baseline,
      ratio: cycle.fiveStep / cycle.baseline, bytesPerBlock: cycle.bytesPerBlock,
      bytesAllocatedAfterOpen: cycle.bytesAllocatedAfterOpen, match: steps.matches,
      allocateNs: steps.allocate, registerNs: steps.register, releaseNs: steps.release,
      policies: policies, missedBlocks: cycle.missCount + steps.missCount)
  }
}
