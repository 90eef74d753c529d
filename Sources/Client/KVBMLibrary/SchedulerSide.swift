import BlockIdentity
import CKVBM
import Glibc
import Synchronization
import Wire

/// The scheduler's half of an engine: keeps requests' keys, asks the node, makes plans.
///
/// Calls are serialised by `state`; `link` may be attached from another thread meanwhile.
final class SchedulerSide: Sendable {
  struct Request {
    var keys: KeyChain
    var match: Promise?
  }

  /// What the last match of a request promised.
  struct Promise {
    var session: UInt64
    var firstBlock: UInt32
    var readyCount: UInt32
  }

  /// A load that waits for the step.
  struct PlannedLoad {
    var request: UInt64
    /// Whether the node still stands by its promise, as far as is known here.
    var session: UInt64?
    var keys: [BlockKey]
    var deviceBlocks: [UInt32]
  }

  /// Blocks offered to the node at the step.
  struct PlannedStore {
    var run: KeyRun
    var deviceBlocks: [UInt32]
  }

  struct State {
    var requests: [UInt64: Request] = [:]
    var lastRequest: UInt64 = 0
    var ended: [UInt64] = []
    var loads: [PlannedLoad] = []
    var stores: [PlannedStore] = []
    /// A plan or JSON that did not fit into the caller's buffer.
    var retainedPlan: [UInt8]?
    var retainedStatistics: [UInt8]?
  }

  let config: EngineConfig
  let namespace: Namespace
  let link: Link
  let state = Mutex(State())
  private let processID = getpid()

  init(_ config: EngineConfig) {
    self.config = config
    namespace = config.namespaceDescription.withUnsafeBytes { Namespace(description: $0) }
    link = Link(socketPath: config.socketPath, hello: config.hello(.scheduler, rank: 0))
  }

  /// Whether this is a forked child, which has no business here.
  var isForeign: Bool { getpid() != processID }

  var blockTokens: Int { Int(config.groups[0].blockTokens) }

  static let requestCountMax = 1 << 20
  static let tokenCountMax = 1 << 26
}
