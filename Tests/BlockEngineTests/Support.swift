import BlockEngine

/// An engine with one class of small pools and one namespace, and drivers that do as they are told.
struct Rig: ~Copyable {
  var engine: BlockEngine
  var now = Time(nanoseconds: 1)
  let classID: ClassID
  let namespace: NamespaceID
  /// Effects that were drained and not looked at.
  var effects: [Effect] = []

  /// - Parameter windows: `[group]`, where not all groups are full.
  init(
    host: Int = 8, disk: Int = 0, parts: Int = 1, groups: Int = 1, windows: [Int?]? = nil,
    eviction: Eviction = Eviction(), hostAdmission: any AdmissionPolicy = AdmitAll(),
    diskAdmission: any AdmissionPolicy = AdmitAll(), writeBudget: WriteBudget? = nil,
    bugs: PlantedBugs = [], _ change: (inout Limits) -> Void = { _ in }
  ) throws {
    var limits = Limits()
    limits.requestLimit = 8
    limits.storeLimit = 16
    limits.readLimit = 8
    limits.writeLimit = 8
    limits.writeQueueLimit = 8
    change(&limits)
    engine = BlockEngine(
      limits: limits, epoch: 1, seed: 5, bugs: bugs, eviction: eviction,
      hostAdmission: hostAdmission, diskAdmission: diskAdmission, writeBudget: writeBudget)
    let classID = try engine.open(slotBytes: 64, host: host, disk: disk)
    let namespace = try engine.open(
      windows: windows ?? Array(repeating: nil, count: groups), parts: parts, in: classID)
    self.classID = classID
    self.namespace = namespace
    engine.addExtent(.host, classID, slots: 0..<UInt32(host))
    if disk > 0 { engine.addExtent(.disk, classID, slots: 0..<UInt32(disk)) }
  }

  /// Takes what is to be done, and checks the engine.
  mutating func settle() throws {
    var drained: [Effect] = []
    engine.drain(into: &drained)
    effects += drained
    try engine.checkInvariants()
  }

  mutating func match(
    _ id: RequestID, _ keys: [BlockKey], first: Int = 0, parentKey: BlockKey = root
  ) throws -> Match {
    let match = engine.match(
      id, in: namespace, keys: keys, firstPosition: first, parentKey: parentKey, now: now)
    try settle()
    return match
  }

  mutating func store(
    _ id: RequestID, _ keys: [BlockKey], first: Int = 0, parentKey: BlockKey = root,
    firstOffered: [Int] = []
  ) throws -> StoreAnswer {
    let answer = engine.prepareStore(
      id, in: namespace, keys: keys, firstPosition: first, parentKey: parentKey,
      firstOffered: firstOffered, now: now)
    try settle()
    return answer
  }

  mutating func commit(_ id: RequestID, _ count: Int) throws -> OperationID? {
    let operation = engine.commit(id, count: count, now: now)
    try settle()
    return operation
  }

  mutating func report(
    _ operation: OperationID, part: Int = 0, _ outcome: Outcome = .success
  ) throws {
    engine.completed(operation, part: part, outcome, now: now)
    try settle()
  }

  /// Everything that is under way succeeds, and so does what follows from it.
  mutating func finishAll(partCount: Int = 1) throws {
    while !effects.isEmpty {
      for operation in take() {
        for part in 0..<partCount { engine.completed(operation, part: part, .success, now: now) }
      }
      try settle()
    }
  }

  /// The operations of the drained effects, each once, in order.
  mutating func take() -> [OperationID] {
    var operations: [OperationID] = []
    for effect in effects {
      let operation = effect.operation
      if let operation, operations.last != operation { operations.append(operation) }
    }
    effects = []
    return operations
  }

  mutating func tick(after nanoseconds: UInt64) throws {
    now = now + nanoseconds
    engine.tick(now)
    try settle()
  }

  func counts(_ tier: Tier) -> SlotCounts { engine.counts(tier, classID) ?? SlotCounts() }
}

struct RigError: Error {}

// `#require` copies what a call is made on, and an engine cannot be copied.
extension BlockEngine {
  mutating func open(slotBytes: Int, host: Int, disk: Int) throws -> ClassID {
    let classID = openClass(slotBytes: slotBytes, hostSlotLimit: host, diskSlotLimit: disk)
    guard let classID else { throw RigError() }
    return classID
  }

  mutating func open(groups: Int, parts: Int = 1, in classID: ClassID) throws -> NamespaceID {
    try open(windows: Array(repeating: nil, count: groups), parts: parts, in: classID)
  }

  mutating func open(windows: [Int?], parts: Int = 1, in classID: ClassID) throws -> NamespaceID {
    let groups = windows.map {
      GroupPlace(classID: classID, partCount: parts, windowBlocks: $0)
    }
    guard let namespace = openNamespace(groups: groups) else { throw RigError() }
    return namespace
  }
}

extension Effect {
  /// The operation of something that is to be done; nil for news.
  var operation: OperationID? {
    switch self {
    case .offload(let id, _, _, _, _), .onboard(let id, _, _, _, _): id
    case .read(let id, _, _, _), .write(let id, _, _, _): id
    case .get(let id, _, _), .put(let id, _, _), .look(let id, _): id
    case .loadEnded, .stored, .removed, .refused: nil
    }
  }
}

let root = BlockKey(high: 1, low: 1)

/// The key before a sequence's position.
func parent(_ position: Int, sequence: Int = 0) -> BlockKey {
  position == 0 ? root : key(position - 1, sequence: sequence)
}

/// A sequence's key; different sequences share nothing.
func key(_ position: Int, sequence: Int = 0) -> BlockKey {
  var random = UInt64(sequence * 1000 + position + 1)
  random = random &* 0x9E37_79B9_7F4A_7C15
  return BlockKey(high: random ^ random >> 31, low: random &* 0xBF58_476D_1CE4_E5B9)
}

func keys(_ positions: Range<Int>, sequence: Int = 0) -> [BlockKey] {
  positions.map { key($0, sequence: sequence) }
}

func request(_ number: UInt64, engine: UInt32 = 1) -> RequestID {
  RequestID(engine: EngineID(engine), number: number)
}
