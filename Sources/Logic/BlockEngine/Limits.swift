/// The bounds of an engine; nothing in it grows beyond them. Times are in nanoseconds.
public struct Limits: Sendable {
  /// Requests that the engine remembers at a time, and so loads under way: at most one a request.
  public var requestLimit = 8192
  /// Stores under way, with those that have timed out.
  public var storeLimit = 8192
  /// Reads under way, likewise.
  public var readLimit = 1024
  /// Writes under way, likewise.
  public var writeLimit = 256
  /// Blocks that wait to be written to disk because writes are at their limit.
  public var writeQueueLimit = 4096
  /// Keys of which the engine remembers whether the object store has them; 0: there is no such
  /// store.
  public var objectKeyLimit = 0
  /// Gets from the object store under way, puts into it, and questions of up to 32 keys, each with
  /// those that have timed out.
  public var getLimit = 256
  public var putLimit = 64
  public var lookLimit = 64
  /// Blocks that wait to be put because puts are at their limit.
  public var putQueueLimit = 4096
  /// Operations in a row that the object store has not answered, after which it is left alone.
  public var objectFailureLimit = 5
  /// Host blocks of one class that are staged, or held after staging, for requests that have not
  /// committed; nil for half of the usable slots, and three quarters for the request that waits
  /// longest. A block counts once, whoever waits for it.
  public var stagingHoldLimit: Int?
  /// Claims on such blocks, of all requests and classes together.
  public var stagingClaimLimit = 1 << 20
  /// Blocks that are announced at a time, over all groups; see `BlockEngine.expect`.
  public var expectedLimit = 65536
  /// Tails at a time, expected, on their way and stored.
  public var tailLimit = 8192
  /// Conversations that are to be back at a time; see `BlockEngine.expectBack`.
  public var returnLimit = 1024
  /// Keys that one `match` or `prepareStore` looks at; those behind are as if not there.
  public var keyLimit = 65536
  /// Namespaces that can be opened.
  public var namespaceLimit = 4096
  /// Ranges of its blocks that one request can say something of.
  public var retentionRangeLimit = 16
  /// Blocks above normal, in hundredths of a class's usable slots in a tier; 0 for none.
  public var retentionPercent = 25
  /// Host blocks that are pinned for a time, in hundredths of a class's usable slots; 0 for none.
  public var pinPercent = 10
  /// The unit of the times for which blocks are worth more or pinned.
  public var retentionTickNanoseconds: UInt64 = 1 << 30
  /// Tenants that share the tiers, up to 64; 0 where all blocks are alike.
  public var tenantLimit = 0
  /// Failed reads in a row after which a copy on disk is given up.
  public var readFailureLimit = 3
  /// From a read's or write's start until its target is quarantined.
  public var transferNanoseconds: UInt64 = 10_000_000_000
  /// The same for gets and puts.
  public var objectNanoseconds: UInt64 = 30_000_000_000
  /// From a question to the object store until nobody waits for its answer any more.
  public var lookNanoseconds: UInt64 = 1_000_000_000
  /// How long what the object store does not have is not asked for again.
  public var absentNanoseconds: UInt64 = 10_000_000_000
  /// How long an object store that does not answer is left alone at first; each trial in vain
  /// doubles it, up to 64 times this.
  public var objectPauseNanoseconds: UInt64 = 1_000_000_000
  /// The same for a store, whose copies begin only after the engine's forward pass: a step over a
  /// long prompt can take minutes on a slow device.
  public var storeNanoseconds: UInt64 = 600_000_000_000
  /// From the first block that is staged for a request until it stops waiting.
  public var stagingNanoseconds: UInt64 = 2_000_000_000
  /// How long before a conversation is back its blocks are read at the latest.
  public var prefetchNanoseconds: UInt64 = 2_000_000_000
  /// From a match until its pins go, unless it is committed or its step ends: a back-stop.
  public var leaseNanoseconds: UInt64 = 1_000_000_000

  /// Whether a prefix that is there is loaded though computing it would be faster.
  public var loadDecision = LoadDecision.measured
  /// From when a way is given up as slower than computing until it is tried again; later trials are
  /// further apart. What was measured longer ago than 16 times this counts half at most.
  public var trialNanoseconds: UInt64 = 1_000_000_000

  /// The defaults.
  public init() {}

  /// Entries of the table of operations.
  var operationLimit: Int {
    let objectLimit = objectKeyLimit > 0 ? getLimit + putLimit + lookLimit : 0
    return requestLimit + storeLimit + readLimit + writeLimit + objectLimit
  }

  /// Reads under way, of requests that wait as well, up to which one is begun for nobody.
  var prefetchReadLimit: Int { max(1, readLimit / 4) }

  func check() {
    precondition(
      requestLimit > 0 && storeLimit > 0 && readLimit > 0 && writeLimit > 0 && writeQueueLimit > 0
        && keyLimit > 0 && stagingClaimLimit > 0 && expectedLimit > 0 && tailLimit > 0
        && returnLimit > 0,
      "an engine's limits must be positive")
    precondition(
      objectKeyLimit >= 0 && getLimit > 0 && putLimit > 0 && lookLimit > 0 && putQueueLimit > 0
        && objectFailureLimit > 0, "an engine's limits must be positive")
    precondition(operationLimit < 1 << 16, "an engine has less than 65536 operations")
    precondition(
      (0...100).contains(retentionPercent) && (0...100).contains(pinPercent),
      "a share has 0 to 100 hundredths")
    precondition(retentionTickNanoseconds > 0, "a tick takes time")
    precondition((0...64).contains(tenantLimit), "a tier has 64 tenants at most")
    precondition((1...0xffff).contains(namespaceLimit), "a namespace's number has 16 bits")
  }
}
