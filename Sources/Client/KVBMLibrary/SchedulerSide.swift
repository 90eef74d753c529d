import BlockIdentity
import CKVBM
import Glibc
import Synchronization
import Wire

/// The scheduler's half of an engine: keeps requests' keys, asks the node, makes plans.
///
/// Calls are serialised by `state`; `link` may be attached from another thread meanwhile.
final class SchedulerSide: Sendable {
  /// A request between `begin` and `end`.
  struct Request {
    /// The keys of its full blocks so far.
    var keys: KeyChain
    /// The engine's own name for it, and the session that has been told.
    var name = ""
    var introducedIn: UInt64?
    /// Who pays for what it brings, and the session that has been told.
    var tenant = ""
    var paidIn: UInt64?
    /// How long its blocks are worth keeping, when its conversation will be back, and the session
    /// that has been told.
    var retentions: [StepMessage.Retention] = []
    var backMilliseconds: UInt32?
    var toldIn: UInt64?
    /// Until it is taken up, or asked for again.
    var match: Promise?

    /// Whether there is anything to tell beside its blocks.
    var hasWishes: Bool { !retentions.isEmpty || backMilliseconds != nil }
  }

  /// What the last match of a request promised.
  struct Promise {
    /// The session in which it was made; in another one it is void.
    var session: UInt64
    /// A load begins here, and is no longer than `readyCount`.
    var firstBlock: UInt32
    var readyCount: UInt32
  }

  /// A load that waits for the step.
  struct PlannedLoad {
    /// Whose load it is; one in a step for each request.
    var request: UInt64
    /// The session whose node promised these blocks; nil when none did, and the load fails.
    var session: UInt64?
    /// The blocks' keys, with their device blocks as `[group][block]`, some of them `noBlock`.
    var keys: [BlockKey]
    var deviceBlocks: [UInt32]
  }

  /// Blocks offered to the node at the step.
  struct PlannedStore {
    /// The offered blocks, with their device blocks as `[group][block]`, some of them `noBlock`.
    var offer: StepMessage.Store
    var deviceBlocks: [UInt32]
  }

  /// All that calls change, under the lock.
  struct State {
    /// By number.
    var requests: [UInt64: Request] = [:]
    /// The number that was given out last; 0 names no request.
    var lastRequest: UInt64 = 0
    /// What the coming step settles.
    var ended: [UInt64] = []
    var loads: [PlannedLoad] = []
    var stores: [PlannedStore] = []
    /// What forward passes over prompts took that the node has not been told of.
    var prefill = StepMessage.Prefill()
    var retentions: [StepMessage.Retention] = []
    var returns: [StepMessage.Return] = []
    /// A plan or JSON that did not fit into the caller's buffer.
    var retainedPlan: [UInt8]?
    var retainedStatistics: [UInt8]?
  }

  /// What the engine said of itself at `kvbm_scheduler_open`.
  let config: EngineConfig
  /// The digest of the config's description; every request's keys begin with it.
  let namespace: Namespace
  /// The way to the node, with a lock of its own.
  let link: Link
  /// Held for a call's length, and so while the node is asked.
  let state = Mutex(State())
  private let processID = getpid()

  /// A scheduler side that is not attached yet.
  init(_ config: EngineConfig) {
    self.config = config
    namespace = config.namespaceDescription.withUnsafeBytes { Namespace(description: $0) }
    link = Link(socketPath: config.socketPath, hello: config.hello(.scheduler, rank: 0))
  }

  /// Whether this is a forked child, which has no business here.
  var isForeign: Bool { getpid() != processID }

  /// Tokens in a block, the same in all groups.
  var blockTokens: Int { Int(config.groups[0].blockTokens) }

  /// Blocks that one match asks for at most, so that a load of them can be granted.
  var matchCountMax: Int {
    min(WireFormat.keyCountMax, WireFormat.loadSlotCountMax / config.groups.count)
  }

  /// Requests that are open at a time, and tokens of one: bounds on this process's memory.
  static let requestCountMax = 1 << 20
  static let tokenCountMax = 1 << 26
  /// Retentions of one request.
  static let retentionCountMax = Int(KVBM_RETENTION_COUNT_MAX)
}
