import BlockEngine
import BlockIdentity
import Synchronization
import Wire

/// Turns the messages of a session's rings into calls of the engine, on the event loop's thread.
struct RequestHandler {
  /// Where the engine is; its lock is held for a message at a time.
  let core: NodeCore

  /// Serves one message; false when the client broke the protocol or takes no answers.
  func serve(
    _ header: MessageHeader, _ body: [UInt8], _ connection: ClientConnection, _ session: Session
  ) -> Bool {
    guard let channel = connection.channel else { return false }
    var writer = ByteWriter()
    do throws(WireError) {
      switch (header.kind, connection.role) {
      case (MessageKind.match, .scheduler):
        let run = try body.decode { (reader) throws(WireError) in
          let run = try KeyRun(from: &reader, version: connection.version)
          try reader.finish()
          return run
        }
        match(run, session).encode(to: &writer)
      case (MessageKind.step, .scheduler):
        let step = try body.decode { (reader) throws(WireError) in
          try StepMessage(from: &reader, version: connection.version)
        }
        let groupCount = session.namespace.places.count
        guard step.stores.allSatisfy({ [0, groupCount].contains($0.firstOffered.count) }) else {
          return false
        }
        settle(step, session).encode(to: &writer)
      case (MessageKind.completed, .worker):
        let completed = try body.decode { (reader) throws(WireError) in
          try CompletedMessage(from: &reader)
        }
        note(completed, connection.rank, session)
        return true
      case (MessageKind.statistics, .scheduler):
        writer.putRaw(core.statistics().json.utf8)
      default:
        return false
      }
    } catch {
      return false
    }
    return channel.reply(to: header, writer)
  }

  private func match(_ run: KeyRun, _ session: Session) -> MatchReply {
    guard session.isComplete else { return MatchReply(readyCount: 0, pendingCount: 0) }
    let id = RequestID(engine: session.engine, number: run.request)
    let now = Clock.now
    return core.state.withLock { state in
      state.assign(id, to: run.tenant, session, now)
      let match = state.engine.match(
        id, in: session.namespace.id, keys: run.keys.span,
        firstPosition: Int(run.firstPosition), parentKey: run.parentKey, now: now)
      state.settle(now: now)
      state.journal(
        match, id, session.namespace, name: run.name, firstPosition: Int(run.firstPosition),
        keys: run.keys, now)
      state.matches.note(
        requested: run.keys.count, ready: match.readyCount, pending: match.pendingCount,
        blockTokens: session.namespace.shapes[0]?.blockTokens ?? 0)
      state.matches.latency.add(nanoseconds: Clock.now.nanoseconds &- now.nanoseconds)
      return MatchReply(
        readyCount: UInt32(clamping: match.readyCount),
        pendingCount: UInt32(clamping: match.pendingCount))
    }
  }

  private func settle(_ step: StepMessage, _ session: Session) -> StepReply {
    let now = Clock.now
    return core.state.withLock { state in
      var reply = StepReply()
      note(step.prefill, session, &state)
      retain(step.retentions, session, &state, now)
      expectBack(step.returns, session, &state, now)
      // Loads first: a request may end in the very step that grants its load.
      for load in step.loads { reply.loads.append(begin(load, session, &state, now)) }
      for (index, offer) in step.stores.enumerated() where session.isComplete {
        store(offer, index, session, &state, now, &reply)
      }
      for request in step.ended {
        state.engine.cancel(RequestID(engine: session.engine, number: request))
      }
      state.engine.endStep(session.engine)
      state.settle(now: now)
      return reply
    }
  }

  private func note(
    _ prefill: StepMessage.Prefill, _ session: Session, _ state: inout NodeState
  ) {
    guard prefill.tokens > 0 else { return }
    state.engine.note(
      prefill: PrefillEstimate.Sample(
        tokenCount: Int(prefill.tokens), contextTokenCount: Int(clamping: prefill.contextTokens),
        nanoseconds: prefill.nanoseconds),
      blockTokens: session.namespace.shapes[0]?.blockTokens ?? 0, of: session.engine)
  }

  private func begin(
    _ load: StepMessage.Load, _ session: Session, _ state: inout NodeState, _ now: Time
  ) -> StepReply.Load {
    let id = RequestID(engine: session.engine, number: load.request)
    guard let operation = state.engine.commit(id, count: Int(load.count), now: now) else {
      return StepReply.Load(operation: 0, slots: [])
    }
    var granted: [(position: Int, group: Int, slot: UInt32)] = []
    state.settle(now: now) { effect in
      guard case .onboard(operation, _, let position, let group, let source) = effect else {
        return
      }
      granted.append((position, group, source.block.slot.rawValue))
    }
    let slots = Self.slots(
      granted, blockCount: Int(load.count), groupCount: session.namespace.places.count)
    state.requests.update(id, session.namespace.namespace, now) {
      $0.loadedCount += Int(load.count)
    }
    session.tally.expect(operation)
    return StepReply.Load(operation: operation.rawValue, slots: slots)
  }

  /// The slots of a load as the plan wants them, `[group][block]`; effects come as they like.
  ///
  /// Every group needs the last block of a prefix, so that one says where the first one is.
  private static func slots(
    _ granted: [(position: Int, group: Int, slot: UInt32)], blockCount: Int, groupCount: Int
  ) -> [UInt32] {
    var slots = [UInt32](repeating: WireFormat.noBlock, count: blockCount * groupCount)
    let end = (granted.map(\.position).max() ?? 0) + 1
    for (position, group, slot) in granted {
      slots[group * blockCount + blockCount - (end - position)] = slot
    }
    return slots
  }

  private func store(
    _ offer: StepMessage.Store, _ index: Int, _ session: Session, _ state: inout NodeState,
    _ now: Time, _ reply: inout StepReply
  ) {
    let run = offer.run
    let id = RequestID(engine: session.engine, number: run.request)
    state.assign(id, to: run.tenant, session, now)
    let answer = state.engine.prepareStore(
      id, in: session.namespace.id, keys: run.keys.span, firstPosition: Int(run.firstPosition),
      parentKey: run.parentKey, firstOffered: offer.firstOffered.map(Int.init), now: now)
    state.requests.update(id, session.namespace.namespace, now) {
      $0.storedCount += answer.offloadCount
      if !$0.retentions.isEmpty {
        $0.trail.note(run.keys.prefix(answer.coveredCount), from: Int(run.firstPosition))
      }
    }
    state.settle(now: now) { effect in
      guard case .offload(let operation, _, let position, let group, let target) = effect else {
        return
      }
      session.tally.expect(operation)
      reply.stores.append(
        StepReply.Store(
          run: UInt32(index), index: UInt32(position) - run.firstPosition, group: UInt32(group),
          slot: target.block.slot.rawValue, operation: operation.rawValue))
    }
  }

  private func note(_ completed: CompletedMessage, _ rank: UInt32, _ session: Session) {
    let now = Clock.now
    core.state.withLock { state in
      // A worker speaks for its own part, whatever the message says.
      for part in completed.parts {
        let operation = OperationID(part.operation)
        guard
          let outcome = session.tally.note(operation, rank: rank, Outcome(part.outcome))
        else { continue }
        state.transfers.ended(operation, outcome, now)
        state.engine.completed(operation, part: 0, outcome, now: now)
      }
      state.settle(now: now)
    }
  }
}

extension Outcome {
  /// The engine's word for what a worker tells.
  init(_ outcome: CompletedMessage.Outcome) {
    switch outcome {
    case .success: self = .success
    case .failure: self = .failure
    case .corrupt: self = .corrupt
    }
  }
}
