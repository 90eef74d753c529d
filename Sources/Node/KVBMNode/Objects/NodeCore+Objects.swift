import BlockEngine
import ObjectTier

extension NodeCore {
  /// Begins to open the object store, if there is to be one.
  ///
  /// - Throws: `system` when there are no threads for it.
  static func openObjects(
    _ configuration: NodeConfiguration, _ outcomes: OutcomeRelay
  ) throws(NodeError) -> ObjectRunner? {
    guard let object = configuration.object else { return nil }
    let keeper = ObjectKeeper(
      url: object.url, limits: object.limits, sweepMilliseconds: object.sweepMilliseconds
    ) { () throws(ObjectError) in
      try ObjectStores.open(
        url: object.url, endpoint: object.endpoint, queueLimit: Self.objectQueueLimit)
    }
    guard
      let runner = ObjectRunner(
        keeper, ObjectForm(protector: object.protector(configuration.keys)),
        completion: { outcomes.deliver(object: $0, part: $1, $2) })
    else { throw .system("the system gives no threads for the object store") }
    return runner
  }

  /// What the engine may want of the object store at a time, if there is one.
  static func limit(_ limits: inout Limits, for object: NodeConfiguration.Object?) {
    guard object != nil else { return }
    limits.objectKeyLimit = 1 << 18
    limits.getLimit = 128
    limits.putLimit = 64
    limits.lookLimit = 16
  }

  /// More than gets, puts, parts of questions and removals come to, so that the store refuses only
  /// when it is shut down.
  private static let objectQueueLimit = 1_024

  /// Takes no more work for the object store; waits some seconds for what was begun.
  func closeObjects() {
    guard let objects else { return }
    if !objects.close(withinMilliseconds: 5_000) {
      NodeLog.warning("the object store does not answer; the node ends without waiting for it")
    }
  }
}

/// Says in the log when the object store is left alone, and when it answers again.
struct ObjectWatch {
  private var isShut = false

  /// Takes note of how things are now: why it is left alone, or nil.
  mutating func note(_ shortfall: String?) {
    defer { isShut = shortfall != nil }
    if let shortfall, !isShut { NodeLog.warning(shortfall) }
    if shortfall == nil, isShut { NodeLog.info("the object store answers again") }
  }
}
