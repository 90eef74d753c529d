import BlockEngine
import BlockIdentity
import DiskTier
import KVLayout

/// All that the node's one lock guards: the engine, and what its numbers mean.
struct NodeState: ~Copyable {
  /// Decides; every call of it is followed by `settle`.
  var engine: BlockEngine
  /// By the engine's number for the class.
  var classes: [SlotClass] = []
  /// By the engine's number; several numbers may mean one namespace.
  var namespaceOfID: [Namespace] = []
  /// All that were seen, in an engine or on disk; none is ever forgotten.
  var namespaces: [Namespace: NamespaceEntry] = [:]
  /// Who shares the tiers.
  var tenants: TenantTable
  /// How many sessions use each class, by its number.
  var servedClasses: [Int: Int] = [:]
  /// For the figures: the sessions themselves belong to the loop's thread.
  var sessionCount = 0
  /// Who carries out reads and writes; a full queue refuses and never waits.
  let store: DiskStore?
  /// Who carries out puts, gets and looks, likewise.
  let objects: ObjectRunner?
  /// Effects that are being handed out.
  private var drained: [Effect] = []
  /// Parts of jobs that no driver took, to be told to the engine.
  private var refused: [(operation: OperationID, part: Int)] = []
  /// Which blocks have left or were not let in, and which requests asked for what.
  var removals = RemovalJournal()
  var refusals = RefusalJournal()
  var requests = RequestJournal()
  /// What the drivers said, by kind, for the log and the counters.
  var diskFaults = DiskFaults()
  var objectFaults = ObjectFaults()
  /// What became of extents, for the counters.
  var hostExtents = ExtentCounters()
  var diskExtents = ExtentCounters()
  /// What became of blocks, questions and transfers, for the counters.
  var removalCounts = RemovalCounts()
  var matches = MatchLog()
  var transfers = TransferLog()

  /// A state without classes and namespaces.
  init(
    engine: consuming BlockEngine, store: DiskStore?, objects: ObjectRunner?,
    tenants: TenantTable = TenantTable(nil)
  ) {
    self.engine = engine
    self.store = store
    self.objects = objects
    self.tenants = tenants
  }

  /// Carries out what the engine wants, and shows `visit` what is for the asker.
  ///
  /// Call it after every call of the engine, before the lock is let go.
  mutating func settle(now: Time, _ visit: (Effect) -> Void = { _ in }) {
    repeat {
      engine.drain(into: &drained)
      for effect in drained {
        noteUse(effect)
        noteFigures(effect, now)
        carryOut(effect, now, visit)
      }
      let failures = refused
      refused.removeAll(keepingCapacity: true)
      for (operation, part) in failures {
        engine.completed(operation, part: part, .failure, now: now)
      }
    } while !engine.effects.isEmpty
  }

  private mutating func carryOut(
    _ effect: Effect, _ now: Time, _ visit: (Effect) -> Void
  ) {
    switch effect {
    case .read(let operation, let record, let source, let target):
      if !read(operation, record, source, target) { refused.append((operation, 0)) }
    case .write(let operation, let record, let source, let target):
      if !write(operation, record, source, target, now) { refused.append((operation, 0)) }
    case .put(let operation, let record, let source):
      if !put(operation, record, source, now) { refused.append((operation, 0)) }
    case .get(let operation, let record, let target):
      if !get(operation, record, target, now) { refused.append((operation, 0)) }
    case .look(let operation, let records):
      for (part, record) in records.enumerated() where !look(operation, part, record, now) {
        refused.append((operation, part))
      }
    case .offload, .onboard: visit(effect)
    case .removed(let tier, let record, let reason): removals.note(tier, record, reason, now)
    case .refused(let tier, let record, let reason): refusals.note(tier, record, reason, now)
    case .loadEnded, .stored: break
    }
  }

  private func read(
    _ operation: OperationID, _ record: BlockRecord, _ source: BlockRef, _ target: BlockRef
  ) -> Bool {
    guard let store, let (entry, shape, place) = diskPlace(of: record, at: source) else {
      return false
    }
    return store.read(
      ticket: operation.rawValue, extent: place.extent, slot: place.slot,
      into: slotClass(target).memory.slot(target.block.slot.index),
      expecting: SlotExpectation(
        namespace: entry.namespace, key: record.key, group: UInt16(record.group), shape: shape))
  }

  private func write(
    _ operation: OperationID, _ record: BlockRecord, _ source: BlockRef, _ target: BlockRef,
    _ now: Time
  ) -> Bool {
    guard let store, let (entry, shape, place) = diskPlace(of: record, at: target) else {
      return false
    }
    return store.write(
      ticket: operation.rawValue, extent: place.extent, slot: place.slot,
      from: slotClass(source).memory.slot(source.block.slot.index),
      description: description(of: record, in: source, entry, shape, now))
  }

  /// What the header of a host block's copy says.
  func description(
    of record: BlockRecord, in source: BlockRef, _ entry: NamespaceEntry, _ shape: BlockShape,
    _ now: Time
  ) -> SlotDescription {
    var description = SlotDescription(
      namespace: entry.namespace, key: record.key, group: UInt16(record.group), shape: shape)
    description.parentKey = record.parentKey
    description.position = record.position
    description.partCount = UInt16(entry.places[Int(record.group)].partCount)
    description.createdUnixNanoseconds = Clock.unixNanoseconds
    description.lastUsedUnixNanoseconds = description.createdUnixNanoseconds
    description.note(
      engine.retention(of: source), now: now, unixNow: description.createdUnixNanoseconds)
    description.producer = entry.producer
    description.tenantTag = tenants.tag(of: engine.owner(of: source))
    return description
  }

  /// Where a block lies or will lie on disk, with what its header says; nil when that cannot be.
  private func diskPlace(
    of record: BlockRecord, at block: BlockRef
  ) -> (entry: NamespaceEntry, shape: BlockShape, place: (extent: DiskExtent, slot: Int))? {
    guard let entry = entry(of: record), let shape = entry.shapes[Int(record.group)],
      let place = slotClass(block).diskPlace(of: block.block.slot.rawValue),
      shape.slotBytes == place.extent.slotBytes
    else { return nil }
    return (entry, shape, place)
  }

  /// The class of a block's slot.
  func slotClass(_ block: BlockRef) -> SlotClass { classes[Int(block.classID.rawValue)] }

  /// The namespace of a block; nil for one that is not known here.
  func entry(of record: BlockRecord) -> NamespaceEntry? {
    let number = Int(record.namespace.rawValue)
    return number < namespaceOfID.count ? namespaces[namespaceOfID[number]] : nil
  }
}

/// What went wrong on disk, by kind. Only ever rises.
struct DiskFaults {
  /// Reads whose bytes did not fit their checksums, and reads or writes that failed.
  var corrupt = 0
  var failed = 0
  /// Of the former, those whose protection was at fault.
  var protection = ProtectionFaults()
  /// The last one's reason, for the log.
  var lastReason = ""
}
