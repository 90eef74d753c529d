import BlockEngine
import Wire

extension RequestHandler {
  /// Hands on what requests say of their blocks' worth, all that one says together.
  func retain(
    _ retentions: [StepMessage.Retention], _ session: Session, _ state: inout NodeState,
    _ now: Time
  ) {
    var rest = retentions[...]
    while let first = rest.first {
      let said = rest.prefix { $0.request == first.request }
      rest = rest.dropFirst(said.count)
      let id = RequestID(engine: session.engine, number: first.request)
      let ranges = said.map(RetentionRange.init)
      guard state.engine.retain(id, ranges) else { continue }
      state.requests.update(id, session.namespace.namespace, now) { $0.retentions = ranges }
    }
  }

  /// Hands on when requests' conversations will be back.
  func expectBack(
    _ returns: [StepMessage.Return], _ session: Session, _ state: inout NodeState, _ now: Time
  ) {
    for entry in returns {
      let id = RequestID(engine: session.engine, number: entry.request)
      let nanoseconds = UInt64(entry.milliseconds) * 1_000_000
      let isTaken = state.engine.expectBack(id, in: session.namespace.id, after: nanoseconds)
      guard isTaken else { continue }
      state.requests.update(id, session.namespace.namespace, now) {
        $0.backNanoseconds = nanoseconds
      }
    }
  }
}

extension RetentionRange {
  /// The engine's word for what a request says.
  init(_ said: StepMessage.Retention) {
    let end = said.endBlock == .max ? Int.max : Int(said.endBlock)
    let milliseconds = UInt64(said.durationMilliseconds)
    self.init(
      positions: Int(said.firstBlock)..<end, priority: UInt8(clamping: said.priority),
      nanoseconds: milliseconds == 0 ? .max : milliseconds * 1_000_000, isPinned: said.isPinned)
  }
}
