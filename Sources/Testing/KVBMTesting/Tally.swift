import BlockEngine
import BlockPolicy

/// What a run saw.
public struct Tally: Sendable {
  /// Positions that matches promised.
  public var promisedBlocks = 0
  /// Positions that matches called pending.
  public var pendingBlocks = 0
  /// Loads that left out blocks before a window.
  public var windowedLoads = 0
  /// Positions that matches called pending where a group is windowed.
  public var windowedPendingBlocks = 0
  /// Positions that matches called pending because somebody had announced them.
  public var awaitedBlocks = 0
  /// Tails that matches promised.
  public var promisedTails = 0
  /// Loads that were told to be over.
  public var loadsEnded = 0
  /// Ranks that found wrong bytes in a load.
  public var loadsCorrupt = 0
  /// Times that memory came.
  public var extentsAdded = 0
  /// Copies on disk for which there was another.
  public var duplicatesFound = 0
  /// Times that all was at rest and nothing had leaked.
  public var quietMoments = 0
  /// Times that nothing went wrong any more, and hits came back from memory and disk.
  public var recoveries = 0
  /// Copies that moved bytes after the engine had given them up.
  public var copiesAfterTimeout = 0
  /// Prefixes, or parts of them, that were held back since computing them is faster.
  public var loadsRefused = 0
  /// Promises and stagings that were held against a naive weighing.
  public var choicesChecked = 0
  /// Blocks that were read for nobody who waits.
  public var readsAhead = 0
  /// Times that a slow disk was given up, became fast, and was used again.
  public var disksRegained = 0
  /// Blocks that were not let into a tier, by reason.
  public var refusals: [RefusalReason: Int] = [:]
  /// What went wrong, by kind.
  public var mishaps = MishapCounts()
  /// Those of all engines, one after the other.
  public var counters = Counters()
  /// Times that hits came back from the object store, and that another node found them there.
  public var objectRecoveries = 0
  public var handovers = 0

  /// Adds what another node's run saw.
  mutating func add(_ other: Tally) {
    for path in Self.paths { self[keyPath: path] += other[keyPath: path] }
    refusals.merge(other.refusals) { $0 + $1 }
    mishaps.add(other.mishaps)
    counters.add(other.counters)
  }

  private static var paths: [WritableKeyPath<Tally, Int>] {
    [
      \.promisedBlocks, \.pendingBlocks, \.windowedLoads, \.windowedPendingBlocks,
      \.awaitedBlocks, \.promisedTails, \.loadsEnded, \.loadsCorrupt, \.extentsAdded,
      \.duplicatesFound, \.quietMoments, \.recoveries, \.copiesAfterTimeout, \.loadsRefused,
      \.choicesChecked, \.readsAhead, \.disksRegained, \.objectRecoveries, \.handovers,
    ]
  }
}
