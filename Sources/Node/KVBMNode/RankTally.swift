import BlockEngine

/// Which ranks have still to report an operation of a session, so that to the engine it has one
/// part, however many ranks carry it out: a block that several ranks wrote is like any other.
///
/// 1. `expect` an operation when it is handed to the ranks.
/// 2. `note` each rank's report; the last one gives the outcome for the engine.
/// 3. Dropped with its session, whose operations the engine forgets.
///
/// Bounded by the operations that the engine has under way. Sessions of one worker skip it.
public struct RankTally {
  private struct Entry {
    /// A bit for each rank that has not reported.
    var missingRanks: UInt32
    var worst = Outcome.success
  }

  private let rankCount: UInt32
  private var entries: [UInt64: Entry] = [:]

  /// A tally for so many ranks, 1...32.
  public init(rankCount: UInt32) {
    precondition((1...32).contains(rankCount), "a session has 1 to 32 ranks")
    self.rankCount = rankCount
  }

  /// Operations that have not been reported by every rank; 0 with one rank.
  public var count: Int { entries.count }

  /// Every rank is about to hear of the operation, and will report it.
  public mutating func expect(_ operation: OperationID) {
    guard rankCount > 1 else { return }
    entries[operation.rawValue] = Entry(missingRanks: ~0 >> (32 - rankCount))
  }

  /// A rank's report of its part, at most one of which counts.
  ///
  /// - Returns: The worst outcome of all ranks with the last one's report; nil before, and for a
  ///   report that nobody waits for.
  public mutating func note(
    _ operation: OperationID, rank: UInt32, _ outcome: Outcome
  ) -> Outcome? {
    guard rankCount > 1 else { return outcome }
    guard rank < rankCount, var entry = entries[operation.rawValue],
      entry.missingRanks & 1 << rank != 0
    else { return nil }
    entry.missingRanks &= ~(1 << rank)
    entry.worst = Self.worse(entry.worst, outcome)
    guard entry.missingRanks == 0 else {
      entries[operation.rawValue] = entry
      return nil
    }
    entries[operation.rawValue] = nil
    return entry.worst
  }

  /// Wrong bytes are worse than none: the copy that they came from must go.
  private static func worse(_ one: Outcome, _ other: Outcome) -> Outcome {
    if one == .corrupt || other == .corrupt { return .corrupt }
    return one == .success && other == .success ? .success : .failure
  }
}
