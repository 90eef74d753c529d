import BlockEngine
import KVLayout
import ObjectTier

/// What went wrong with objects, by kind. Only ever rises.
struct ObjectFaults {
  /// Objects whose bytes were not the block that they should be.
  var corrupt = 0
  /// Of these, the ones whose protection was at fault.
  var protection = ProtectionFaults()
  /// Puts, gets and questions without an answer.
  var failed = 0
  /// Why the last one of either kind.
  var lastReason = ""
}

/// The engine's wishes of the object store, in the runner's words; false where nobody takes one.
extension NodeState {
  func put(_ operation: OperationID, _ record: BlockRecord, _ source: BlockRef, _ now: Time)
    -> Bool
  {
    guard let objects, let (entry, shape) = objectShape(of: record, in: source) else {
      return false
    }
    return objects.put(
      PutCopier.Put(
        ticket: operation.rawValue, memory: slotClass(source).memory,
        slot: source.block.slot.index,
        description: description(of: record, in: source, entry, shape, now),
        deadline: (now + engine.limits.objectNanoseconds).nanoseconds))
  }

  func get(_ operation: OperationID, _ record: BlockRecord, _ target: BlockRef, _ now: Time)
    -> Bool
  {
    guard let objects, let (entry, shape) = objectShape(of: record, in: target) else {
      return false
    }
    return objects.get(
      ticket: operation.rawValue, into: slotClass(target).memory,
      slot: target.block.slot.index,
      expecting: SlotExpectation(
        namespace: entry.namespace, key: record.key, group: UInt16(record.group), shape: shape),
      deadline: (now + engine.limits.objectNanoseconds).nanoseconds)
  }

  func look(_ operation: OperationID, _ part: Int, _ record: BlockRecord, _ now: Time) -> Bool {
    guard let objects, let entry = entry(of: record) else { return false }
    return objects.look(
      ticket: operation.rawValue, part: part,
      name: ObjectRunner.name(entry.namespace, record.key, group: Int(record.group)),
      deadline: (now + engine.limits.lookNanoseconds).nanoseconds)
  }

  /// The namespace and shape of a block that is as large as its slot.
  private func objectShape(
    of record: BlockRecord, in block: BlockRef
  ) -> (NamespaceEntry, BlockShape)? {
    guard let entry = entry(of: record), let shape = entry.shapes[Int(record.group)],
      shape.slotBytes == slotClass(block).slotBytes
    else { return nil }
    return (entry, shape)
  }

  /// A part of an operation on the object store has ended.
  mutating func ended(_ ticket: UInt64, _ part: Int, _ end: ObjectEnd, _ now: Time) {
    let told: Outcome
    switch end {
    case .done: told = .success
    case .missing: told = .missing
    case .wrong(let fault):
      told = .corrupt
      objectFaults.corrupt += 1
      objectFaults.protection.note(fault)
      objectFaults.lastReason = "\(fault)"
    case .failed(let error):
      told = .failure
      objectFaults.failed += 1
      objectFaults.lastReason = "\(error)"
    }
    transfers.ended(OperationID(ticket), told, now)
    engine.completed(OperationID(ticket), part: part, told, now: now)
    settle(now: now)
  }

  /// Why there is no object store for now; nil when there is, or none is wanted.
  var objectShortfall: String? {
    guard let objects else { return nil }
    if let failure = objects.keeper.failure { return "no object store yet: \(failure)" }
    guard engine.isObjectStoreShut else { return nil }
    let reason = objectFaults.lastReason.isEmpty ? "no answer in time" : objectFaults.lastReason
    return "the object store is left alone for a while, since it does not answer: \(reason)"
  }
}
