import BlockIdentity
import CKVBM
import Synchronization
import Wire

extension SchedulerSide {
  /// Settles the step and writes its plan; see `kvbm_scheduler_step`.
  func step(
    fences: UnsafeBufferPointer<UInt32>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CallFailure) -> Int {
    try state.withLock { (state) throws(CallFailure) in
      let plan = state.retainedPlan ?? settle(&state, fences).encoded
      state.retainedPlan = nil
      guard plan.count <= buffer.count else {
        state.retainedPlan = plan
        throw CallFailure(code: Int32(KVBM_SPACE), text: "the plan has \(plan.count) bytes")
      }
      buffer.copyBytes(from: plan)
      return plan.count
    }
  }

  /// The size of the plan that did not fit.
  var retainedPlanBytes: Int { state.withLock { $0.retainedPlan?.count ?? 0 } }

  private func settle(_ state: inout State, _ fences: UnsafeBufferPointer<UInt32>) -> Plan {
    var plan = Plan()
    plan.fences = Array(fences)
    let loads = state.loads
    let stores = state.stores
    state.loads.removeAll(keepingCapacity: true)
    state.stores.removeAll(keepingCapacity: true)

    // A load of another session was promised by a node that is gone: it fails without being asked.
    let session = link.current()?.session
    let isCurrent = loads.map { session != nil && $0.session == session }
    var message = StepMessage()
    message.ended = state.ended
    message.loads = zip(loads, isCurrent).filter(\.1).map {
      StepMessage.Load(request: $0.0.request, count: UInt32(truncatingIfNeeded: $0.0.keys.count))
    }
    message.stores = stores.map(\.offer)
    message.retentions = state.retentions
    message.prefill = state.prefill
    message.returns = state.returns

    var reply: StepReply?
    if !message.isEmpty, let attachment = link.current(), attachment.session == session {
      reply = askStep(message, attachment)
      state.prefill = StepMessage.Prefill()
      plan.session = attachment.session
    }
    state.ended.removeAll(keepingCapacity: true)
    state.retentions.removeAll(keepingCapacity: true)
    state.returns.removeAll(keepingCapacity: true)
    var granted = (reply?.loads ?? []).makeIterator()
    for (load, isCurrent) in zip(loads, isCurrent) {
      plan.loads.append(planned(load, isCurrent ? granted.next() : nil))
    }
    plan.stores = (reply?.stores ?? []).compactMap { planned($0, stores) }
    return plan
  }

  private func askStep(_ message: StepMessage, _ attachment: Attachment) -> StepReply? {
    var writer = ByteWriter()
    message.encode(to: &writer)
    let reply = ask(MessageKind.step, writer, attachment) { (reader) throws(WireError) in
      try StepReply(from: &reader)
    }
    guard let reply, reply.loads.count == message.loads.count else { return nil }
    return reply
  }

  /// The load as its workers carry it out. One whose slots and device blocks do not fit each other
  /// exactly has no copies, and fails there: the node hears of it too.
  private func planned(_ load: PlannedLoad, _ grant: StepReply.Load?) -> Plan.Load {
    let count = load.keys.count
    var plan = Plan.Load(
      request: load.request, operation: 0, blockCount: UInt32(truncatingIfNeeded: count), rows: [])
    guard let grant, grant.operation != 0 else { return plan }
    plan.operation = grant.operation
    guard grant.slots.count == load.deviceBlocks.count else { return plan }
    var rows: [Plan.Row] = []
    for group in config.groups.indices {
      let places = (group * count)..<((group + 1) * count)
      let first = places.first { grant.slots[$0] != WireFormat.noBlock } ?? places.upperBound
      var row = Plan.Row(firstBlock: UInt32(first - places.lowerBound), copies: [])
      for place in places {
        let (slot, block) = (grant.slots[place], load.deviceBlocks[place])
        guard (slot == WireFormat.noBlock) == (place < first),
          (block == WireFormat.noBlock) == (place < first)
        else { return plan }
        guard place >= first else { continue }
        let key = load.keys[place - places.lowerBound]
        row.copies.append(Plan.Copy(deviceBlock: block, slot: slot, key: key))
      }
      rows.append(row)
    }
    plan.rows = rows
    return plan
  }

  private func planned(_ grant: StepReply.Store, _ stores: [PlannedStore]) -> Plan.Store? {
    guard Int(grant.run) < stores.count, Int(grant.group) < config.groups.count else { return nil }
    let store = stores[Int(grant.run)]
    let keys = store.offer.run.keys
    let index = Int(grant.index)
    guard index < keys.count else { return nil }
    let place = Int(grant.group) * keys.count + index
    return Plan.Store(
      operation: grant.operation, group: grant.group,
      copy: Plan.Copy(
        deviceBlock: store.deviceBlocks[place], slot: grant.slot, key: keys[index]))
  }
}

extension Plan {
  /// The plan's bytes; none when there is nothing to do.
  fileprivate var encoded: [UInt8] { isEmpty ? [] : encode() }
}

extension SchedulerSide {
  /// The node's counters as JSON; see `kvbm_scheduler_stats`.
  func statistics(into buffer: UnsafeMutableRawBufferPointer) throws(CallFailure) -> Int {
    try state.withLock { (state) throws(CallFailure) in
      var json = state.retainedStatistics
      state.retainedStatistics = nil
      if json == nil, let attachment = link.current() {
        json = ask(MessageKind.statistics, ByteWriter(), attachment) { (reader) in
          Array((try? reader.takeBytes(reader.remaining)) ?? .init(start: nil, count: 0))
        }
      }
      guard let json else { throw .unavailable }
      guard json.count <= buffer.count else {
        state.retainedStatistics = json
        throw CallFailure(code: Int32(KVBM_SPACE), text: "the counters have \(json.count) bytes")
      }
      buffer.copyBytes(from: json)
      return json.count
    }
  }

  /// The size of the JSON that did not fit.
  var retainedStatisticsBytes: Int { state.withLock { $0.retainedStatistics?.count ?? 0 } }
}
