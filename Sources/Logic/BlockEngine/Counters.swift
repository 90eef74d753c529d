/// What happened, by kind and reason. Only ever rises; the engine that counts starts at zero.
public struct Counters: Equatable, Sendable {
  /// Calls of `match`.
  public var matches = 0
  /// Positions that `match` promised; a repeated call counts again.
  public var readyBlocks = 0
  /// Positions that `match` called pending; a repeated call counts again.
  public var pendingBlocks = 0
  /// Blocks that reached the device from the host tier.
  public var blocksLoaded = 0
  /// Blocks that reached the host tier from the device.
  public var blocksStored = 0
  /// Blocks that reached the host tier from disk, verified.
  public var blocksStaged = 0
  /// Blocks that reached the disk.
  public var blocksWritten = 0
  /// Blocks that reached the object store, or were there already.
  public var blocksPut = 0
  /// Blocks that reached the host tier from the object store, verified: of those that were staged.
  public var blocksFetched = 0
  /// Keys that the object store was asked for.
  public var objectsAsked = 0
  /// Blocks that the object store was believed to have, and did not.
  public var objectsMissing = 0
  /// Gets that ended in time and without success, those of missing objects with them.
  public var getsFailed = 0
  /// Puts that ended in time and without success.
  public var putsFailed = 0
  /// Gets, puts and questions that were not reported by their deadline.
  public var getsTimedOut = 0
  public var putsTimedOut = 0
  public var looksTimedOut = 0
  /// Blocks not staged because too many gets are under way.
  public var getsRefused = 0
  /// Puts given up because the queue was full.
  public var putsDropped = 0
  /// Puts given up because the block had left when its turn came.
  public var putsLapsed = 0
  /// Times that the object store was given up for a while, since it did not answer.
  public var objectStoreShuts = 0
  /// Times that a few blocks were got all the same, for nobody, to see how fast the store is now.
  public var objectTrials = 0
  /// Blocks that a scan found.
  public var blocksAdopted = 0
  /// Blocks that were to be stored and were there already, or on their way.
  public var storesPresent = 0
  /// Blocks that left the host tier for others, or with their memory.
  public var hostEvictions = 0
  /// Blocks that left the disk for others, or with their extent.
  public var diskEvictions = 0
  /// Reports of copies whose bytes were wrong.
  public var corruptCopies = 0
  /// Disk copies given up because reads of them failed again and again.
  public var unreadableCopies = 0
  /// Parts reported twice, after their operation's end, or from before a restart.
  public var staleReports = 0
  /// Stores that ended in time and without success.
  public var storesFailed = 0
  /// Reads that ended in time and without success.
  public var readsFailed = 0
  /// Writes that ended in time and without success.
  public var writesFailed = 0
  /// Loads that ended without success.
  public var loadsFailed = 0
  /// Loads that ended, whatever their outcome.
  public var loadsEnded = 0
  /// Stores that were not reported by their deadline.
  public var storesTimedOut = 0
  /// Reads that were not reported by their deadline.
  public var readsTimedOut = 0
  /// Writes that were not reported by their deadline.
  public var writesTimedOut = 0
  /// Promises that ended without a commit.
  public var leasesLapsed = 0
  /// Requests that gave up waiting for staging, or holding what was staged.
  public var stagingExpired = 0
  /// Matches refused because too many requests are remembered.
  public var requestsRefused = 0
  /// Blocks refused because too many stores are under way.
  public var storesRefused = 0
  /// Blocks not staged because too many reads are under way.
  public var readsRefused = 0
  /// Blocks not staged because the staging budget is used up.
  public var stagingRefused = 0
  /// Blocks that found every host slot in use.
  public var hostExhausted = 0
  /// Blocks that found every disk slot in use.
  public var diskExhausted = 0
  /// Blocks that found no room in their tenant's share, or beside what is reserved for others.
  public var hostOverShare = 0
  public var diskOverShare = 0
  /// Blocks that were announced; a repeated announcement counts again.
  public var blocksExpected = 0
  /// Announcements whose lease ended before their block came.
  public var expectationsLapsed = 0
  /// Blocks not announced because too many are.
  public var expectationsRefused = 0
  /// Tails refused because there are too many, or their name is taken.
  public var tailsRefused = 0
  /// Calls with more keys than are looked at.
  public var keysCut = 0
  /// Blocks that the host tier's policy does not want.
  public var storesNotAdmitted = 0
  /// Blocks that the disk's policy does not want.
  public var writesNotAdmitted = 0
  /// Blocks not stored because the one before them is neither there nor on its way.
  public var storesOrphaned = 0
  /// Blocks not written to disk for the same reason.
  public var writesOrphaned = 0
  /// Blocks not written to disk because the budget of writes was used up.
  public var writesOverBudget = 0
  /// Writes given up because the queue or the disk was full.
  public var writesDropped = 0
  /// Writes given up because the block had left when its turn came.
  public var writesLapsed = 0
  /// Blocks that were pinned for a time.
  public var blocksPinned = 0
  /// Blocks not pinned because as many are as may be.
  public var pinsRefused = 0
  /// Requests whose word of their blocks' worth was not taken.
  public var retentionsRefused = 0
  /// Blocks whose read was begun for conversations that are to be back.
  public var blocksPrefetched = 0
  /// Conversations whose blocks were not all read: one is nowhere, or there is no room.
  public var prefetchesCut = 0
  /// Words that a conversation will be back that were not taken, since there are too many.
  public var returnsRefused = 0
  /// Calls that name what there is not: a namespace, more blocks than promised.
  public var invalidCalls = 0
  /// Commits of less than was promised where a group is windowed: a shorter prefix has other
  /// windows.
  public var shortLoadsRefused = 0

  /// Positions that were ready and not promised, since computing them is expected to be faster.
  public var positionsFasterThanHost = 0
  /// Positions that were known and not staged, since computing them is expected to be faster.
  public var positionsFasterThanDisk = 0
  /// Matches whose known positions were not staged, since the disk would bring none in time.
  public var stagingsTooLate = 0
  /// Loads that were granted all the same, to see how fast loads are now.
  public var hostTrials = 0
  /// Times that a few blocks were read all the same, for nobody, to see how fast the disk is now.
  public var diskTrials = 0

  /// All zero.
  public init() {}

  /// Calls `body` with each counter's name, in lower camel case, and its value; the order is fixed.
  public func visit(_ body: (_ name: String, _ value: Int) -> Void) {
    for (name, path) in Self.paths { body(name, self[keyPath: path]) }
  }

  /// Adds another engine's counts: those from before a restart.
  public mutating func add(_ other: Counters) {
    for (_, path) in Self.paths { self[keyPath: path] += other[keyPath: path] }
  }
}

extension Counters {
  private static var paths: [(String, WritableKeyPath<Counters, Int>)] {
    [
      ("matches", \.matches), ("readyBlocks", \.readyBlocks), ("pendingBlocks", \.pendingBlocks),
      ("blocksLoaded", \.blocksLoaded), ("blocksStored", \.blocksStored),
      ("blocksStaged", \.blocksStaged), ("blocksWritten", \.blocksWritten),
      ("blocksPut", \.blocksPut), ("blocksFetched", \.blocksFetched),
      ("objectsAsked", \.objectsAsked), ("objectsMissing", \.objectsMissing),
      ("getsFailed", \.getsFailed), ("putsFailed", \.putsFailed),
      ("getsTimedOut", \.getsTimedOut), ("putsTimedOut", \.putsTimedOut),
      ("looksTimedOut", \.looksTimedOut), ("getsRefused", \.getsRefused),
      ("putsDropped", \.putsDropped), ("putsLapsed", \.putsLapsed),
      ("objectStoreShuts", \.objectStoreShuts), ("objectTrials", \.objectTrials),
      ("blocksAdopted", \.blocksAdopted), ("storesPresent", \.storesPresent),
      ("hostEvictions", \.hostEvictions), ("diskEvictions", \.diskEvictions),
      ("corruptCopies", \.corruptCopies), ("unreadableCopies", \.unreadableCopies),
      ("staleReports", \.staleReports), ("storesFailed", \.storesFailed),
      ("readsFailed", \.readsFailed), ("writesFailed", \.writesFailed),
      ("loadsFailed", \.loadsFailed), ("loadsEnded", \.loadsEnded),
      ("storesTimedOut", \.storesTimedOut), ("readsTimedOut", \.readsTimedOut),
      ("writesTimedOut", \.writesTimedOut), ("leasesLapsed", \.leasesLapsed),
      ("stagingExpired", \.stagingExpired), ("requestsRefused", \.requestsRefused),
      ("storesRefused", \.storesRefused), ("readsRefused", \.readsRefused),
      ("stagingRefused", \.stagingRefused), ("hostExhausted", \.hostExhausted),
      ("diskExhausted", \.diskExhausted),
      ("hostOverShare", \.hostOverShare), ("diskOverShare", \.diskOverShare),
      ("blocksExpected", \.blocksExpected),
      ("expectationsLapsed", \.expectationsLapsed),
      ("expectationsRefused", \.expectationsRefused), ("tailsRefused", \.tailsRefused),
      ("keysCut", \.keysCut),
      ("storesNotAdmitted", \.storesNotAdmitted), ("writesNotAdmitted", \.writesNotAdmitted),
      ("storesOrphaned", \.storesOrphaned), ("writesOrphaned", \.writesOrphaned),
      ("writesOverBudget", \.writesOverBudget),
      ("writesDropped", \.writesDropped), ("writesLapsed", \.writesLapsed),
      ("blocksPinned", \.blocksPinned), ("pinsRefused", \.pinsRefused),
      ("retentionsRefused", \.retentionsRefused),
      ("blocksPrefetched", \.blocksPrefetched), ("prefetchesCut", \.prefetchesCut),
      ("returnsRefused", \.returnsRefused),
      ("invalidCalls", \.invalidCalls), ("shortLoadsRefused", \.shortLoadsRefused),
      ("positionsFasterThanHost", \.positionsFasterThanHost),
      ("positionsFasterThanDisk", \.positionsFasterThanDisk),
      ("stagingsTooLate", \.stagingsTooLate),
      ("hostTrials", \.hostTrials), ("diskTrials", \.diskTrials),
    ]
  }
}
