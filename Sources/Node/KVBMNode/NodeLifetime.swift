import BlockEngine
import Glibc

/// When a node ends by itself.
struct NodeLifetime {
  private let endsWithLastEngine: Bool
  private let lingerNanoseconds: UInt64
  private let drainNanoseconds: UInt64
  /// When to end unless an engine comes.
  private var idleDeadline: Time?
  /// Whether a stop has begun; there is no way back.
  private(set) var isStopping = false
  /// How long an engine whose sides stop one after the other has for that.
  private static let graceNanoseconds: UInt64 = 5_000_000_000
  /// When a stop no longer waits for writes.
  private var stopDeadline: Time?

  /// A lifetime without engines so far.
  init(_ configuration: NodeConfiguration, startedAt: Time) {
    endsWithLastEngine = configuration.endsWithLastEngine
    lingerNanoseconds = UInt64(configuration.lingerSeconds) * 1_000_000_000
    drainNanoseconds = UInt64(configuration.drainSeconds) * 1_000_000_000
    // An engine that started this node has that long to attach, and a minute at least.
    if endsWithLastEngine {
      idleDeadline = startedAt + max(lingerNanoseconds, 60_000_000_000)
    }
  }

  /// An engine has come: the node stays.
  mutating func sessionBegan() { idleDeadline = nil }

  /// An engine has gone; with the last one the wait begins, as long as the way it went asks for.
  mutating func sessionEnded(_ session: Session, remaining: Int, now: Time) {
    guard endsWithLastEngine, remaining == 0 else { return }
    switch session.ending {
    case .clean: idleDeadline = now
    case .partlyClean: idleDeadline = now + min(lingerNanoseconds, Self.graceNanoseconds)
    case .unclean: idleDeadline = now + lingerNanoseconds
    }
  }

  /// Whether nobody has come for long enough.
  func isIdleForGood(_ now: Time) -> Bool { idleDeadline.map { now >= $0 } ?? false }

  /// The node is to end: writes have `drainSeconds` from now.
  mutating func stopBegan(now: Time) {
    isStopping = true
    stopDeadline = now + drainNanoseconds
  }

  /// Whether a stop may end, with so many writes still pending.
  func mayEnd(pendingWrites: Int, now: Time) -> Bool {
    guard isStopping, let stopDeadline else { return false }
    return pendingWrites == 0 || now >= stopDeadline
  }
}

extension Node {
  /// Time passes.
  func tick() {
    let now = Clock.now
    let (pendingWrites, fault) = core.state.withLock { state in
      state.engine.tick(now)
      state.settle(now: now)
      // What cannot be opened is said by whoever opens it.
      let isShut = state.engine.isObjectStoreShut && state.objects?.keeper.store != nil
      objectWatch.note(isShut ? state.objectShortfall : nil)
      return (state.engine.pendingWriteCount, state.engine.fault)
    }
    if let fault {
      // The engine contradicts itself: what is in memory is not to be trusted, what is on disk is
      // checked at every read. A successor starts from there.
      NodeLog.error("broken invariant, the node ends: \(fault)")
      return loop.stop()
    }
    if !sessions.isEmpty { keeper.wakeIfNeeded() }
    metrics?.tick(now)
    if !lifetime.isStopping && lifetime.isIdleForGood(now) {
      NodeLog.info("the last engine has gone: stopping")
      beginStop()
    }
    if lifetime.mayEnd(pendingWrites: pendingWrites, now: now) && sessions.isEmpty { loop.stop() }
    if lifetime.hasWaitedEnough(now) { loop.stop() }
  }

  /// A signal asks the node to end; SIGUSR1 only if no engine is here: who started the node does
  /// without it, and cannot know whether others have come to it meanwhile.
  func take(_ signal: Int32) {
    if signal == SIGUSR1 && !sessions.isEmpty { return }
    NodeLog.info("signal \(signal): stopping")
    beginStop()
  }

  /// Lets engines go and waits for writes; the loop ends when both are done, or time is up.
  func beginStop() {
    guard !lifetime.isStopping else { return loop.stop() }
    lifetime.stopBegan(now: Clock.now)
    stopListening()
    for session in sessions.values { session.close() }
  }
}

extension NodeLifetime {
  /// Whether a stop's time is up, with whatever is left.
  func hasWaitedEnough(_ now: Time) -> Bool { stopDeadline.map { now >= $0 } ?? false }
}
