import BlockIdentity
import CKVBM
import Synchronization
import Wire

extension WorkerSide {
  /// Waits until no pending copy reads what the plan's step overwrites.
  func fence(_ plan: Plan) {
    if Faults.isSet(.early) { return }
    copies.awaitSources(plan.fences)
  }

  /// Starts the plan's loads. Those that cannot be are reported as failed.
  func startLoads(_ plan: Plan) {
    guard !plan.loads.isEmpty else { return }
    let attachment = attachment(for: plan)
    let bindings = bindings.withLock { $0 }
    for load in plan.loads {
      guard let attachment, load.operation != 0,
        let jobs = jobs(load, attachment, bindings)
      else {
        if let attachment, load.operation != 0 {
          copies.report([completed(load.operation, .failure)], to: attachment)
        }
        copies.finish(
          kvbm_load_result(
            request: load.request, loaded_blocks: 0, planned_blocks: load.blockCount))
        continue
      }
      // The engine has fenced these blocks already; a second look costs nothing.
      if !Faults.isSet(.early) { copies.awaitSources(jobs.map(\.deviceBlock)) }
      copies.startLoad(jobs, load, attachment, isPartial: config.takesPartialLoads)
    }
  }

  /// Starts the plan's stores.
  func startStores(_ plan: Plan) {
    guard !plan.stores.isEmpty, let attachment = attachment(for: plan) else { return }
    let bindings = bindings.withLock { $0 }
    var items: [CopyItem] = []
    var refused: [CompletedMessage.Part] = []
    for store in plan.stores {
      if let item = item(store.copy, group: store.group, index: 0, attachment, bindings, true) {
        items.append(item.storing(under: store.operation))
      } else {
        refused.append(completed(store.operation, .failure))
      }
    }
    copies.report(refused, to: attachment)
    copies.startStores(items, attachment)
  }

  /// Tells the node that the plan's stores do not happen.
  func dropStores(_ plan: Plan) {
    guard !plan.stores.isEmpty, let attachment = attachment(for: plan) else { return }
    copies.report(plan.stores.map { completed($0.operation, .failure) }, to: attachment)
  }

  /// Tells the node that this rank's part of the plan's stores is done: its heads are another
  /// rank's as well, which writes them.
  func skipStores(_ plan: Plan) {
    guard !plan.stores.isEmpty, let attachment = attachment(for: plan) else { return }
    copies.report(plan.stores.map { completed($0.operation, .success) }, to: attachment)
  }

  /// The attachment, if the plan was made in its session.
  private func attachment(for plan: Plan) -> Attachment? {
    guard let attachment = link.current(), attachment.session == plan.session else { return nil }
    return attachment
  }

  private func completed(
    _ operation: UInt64, _ outcome: CompletedMessage.Outcome
  ) -> CompletedMessage.Part {
    CompletedMessage.Part(operation: operation, part: rank, outcome: outcome)
  }

  /// A load's copies, checked; nil when one of them names what does not exist.
  private func jobs(
    _ load: Plan.Load, _ attachment: Attachment, _ bindings: [Binding?]
  ) -> [CopyItem]? {
    guard load.rows.count == bindings.count else { return nil }
    var items: [CopyItem] = []
    for (group, row) in Faults.planted(load.rows, config).enumerated() {
      let first = Int(row.firstBlock)
      guard row.copies.count == Int(load.blockCount) - first else { return nil }
      for (place, copy) in row.copies.enumerated() {
        guard
          let item = item(
            copy, group: UInt32(group), index: first + place, attachment, bindings, false)
        else { return nil }
        items.append(item)
      }
    }
    // A load ends with its last copy.
    return items.isEmpty ? nil : items
  }

  private func item(
    _ copy: Plan.Copy, group: UInt32, index: Int, _ attachment: Attachment, _ bindings: [Binding?],
    _ isStore: Bool
  ) -> CopyItem? {
    guard Int(group) < bindings.count, let binding = bindings[Int(group)],
      Int(copy.deviceBlock) < binding.deviceBlockCount,
      attachment.slots[Int(group)].slotBytes == binding.store.geometry.slotBytes,
      let slot = attachment.slots[Int(group)].address(of: copy.slot)
    else { return nil }
    return CopyItem(
      plan: isStore ? binding.store : binding.load, slot: slot, deviceBlock: copy.deviceBlock,
      key: copy.key, index: index, operation: 0)
  }
}
