import BlockEngine
import BlockIdentity
import Glibc
import KVLayout
import Synchronization
import Wire

@testable import KVBMNode

/// The engine under its lock with a small host tier and the keeper's thread, and models that store
/// and load without copying: a slot is marked with its block, and the mark is looked for.
final class TinyTier: @unchecked Sendable {
  /// Rounds until a test gives up: some tens of seconds.
  static let roundCountMax = 2_000
  private static let sequenceLength = 20

  /// A model with one group.
  struct Model {
    let id: NamespaceID
    let classID: ClassID
    let number: UInt64
  }

  private let core: NodeCore
  private let keeper: ExtentKeeper
  private let limit: Limit
  private var modelCount: UInt64 = 0
  private var requestCount: UInt64 = 0
  private(set) var wrongCount = 0

  private final class Limit: Sendable { let bytes = Atomic<Int>(.max) }

  /// A tier whose keeper is running, on a machine with so much memory for it.
  init(capacityBytes: Int, limitBytes: Int = 1 << 40, reserveBytes: Int = 0) throws {
    var configuration = NodeConfiguration(socketPath: "/unused", hostCapacityBytes: capacityBytes)
    configuration.hostReserveBytes = reserveBytes
    let core = try NodeCore(configuration)
    let limit = Limit()
    limit.bytes.store(limitBytes, ordering: .relaxed)
    self.core = core
    self.limit = limit
    keeper = ExtentKeeper(core) {
      max(0, limit.bytes.load(ordering: .relaxed) - TinyTier.populatedBytes(of: core))
    }
    _ = keeper.start()
  }

  func stop() { keeper.stop() }

  func setLimit(_ bytes: Int) { limit.bytes.store(bytes, ordering: .relaxed) }

  private static func populatedBytes(of core: NodeCore) -> Int {
    core.state.withLock { state in state.classes.reduce(0) { $0 + $1.populatedBytes } }
  }

  var populatedBytes: Int { Self.populatedBytes(of: core) }
  var counters: [String: Int] { core.statistics().counters }
  /// Extents that changed their class.
  var movedCount: Int {
    let counters = counters
    return ExtentBalance.Reason.allCases.reduce(0) {
      $0 + counters["host_extents_moved_\($1)", default: 0]
    }
  }
  var shortfall: String { core.currentShortfalls.joined() }

  // MARK: Models

  func open(_ name: String, layerCount: Int) throws -> Model {
    let group = try OpeningGroup(
      GroupDescription(
        kind: 0, headCount: 1, layerCount: UInt32(layerCount), blockTokens: 16, tokenBytes: 16,
        elementBytes: 2, windowTokens: 0), index: 0)
    modelCount += 1
    let number = modelCount
    return try core.state.withLock { state in
      let classID = try state.openClass(
        slotBytes: group.shape.slotBytes, hostCapacityBytes: core.configuration.hostCapacityBytes,
        diskCapacityBytes: nil)
      let entry = try state.openNamespace(
        Array(name.utf8).withUnsafeBytes { Namespace(description: $0) }, description: [],
        groups: [group], places: [GroupPlace(classID: classID, partCount: 1)],
        producer: SlotProducer())
      return Model(id: entry.id, classID: classID, number: number)
    }
  }

  /// As when an engine attaches; returns when the class is as ready as it can be.
  func attach(_ model: Model) {
    core.state.withLock { $0.servedClasses[Int(model.classID.rawValue), default: 0] += 1 }
    let flag = Flag()
    keeper.whenUsable([model.classID]) { flag.isSet.store(true, ordering: .releasing) }
    for _ in 0..<Self.roundCountMax where !flag.isSet.load(ordering: .acquiring) { usleep(10_000) }
  }

  private final class Flag: Sendable { let isSet = Atomic<Bool>(false) }

  func detach(_ model: Model) {
    core.state.withLock { $0.servedClasses[Int(model.classID.rawValue), default: 1] -= 1 }
  }

  // MARK: Use

  /// Stores until the tier has grown as far as it goes, and next to nothing of it is free.
  func fill(_ model: Model) {
    var before = -1
    for _ in 0..<Self.roundCountMax {
      keeper.wake()
      _ = use(model, count: 500)
      let now = populatedBytes
      let free = core.state.withLock { $0.engine.counts(.host, model.classID)?.free } ?? 0
      if now == before && free < 16 { return }
      before = now
    }
  }

  /// Uses the model again and again until so many blocks are ready in one pass; how many were.
  func use(_ model: Model, count: Int, until wanted: Int) -> Int {
    var ready = 0
    for _ in 0..<Self.roundCountMax {
      ready = use(model, count: count)
      if ready >= wanted { break }
      usleep(10_000)
    }
    return ready
  }

  /// Asks for the first `count` blocks of the model, loads what is there and stores the rest.
  ///
  /// - Returns: How many were loaded, with the right bytes.
  func use(_ model: Model, count: Int) -> Int {
    stride(from: 0, to: count, by: Self.sequenceLength).reduce(0) { sum, first in
      // The lock is not a fair one.
      usleep(100)
      return sum + useSequence(model, keys(model, first, min(Self.sequenceLength, count - first)))
    }
  }

  /// Has the first blocks promised, for good; how many.
  func hold(_ model: Model, count: Int) -> Int {
    stride(from: 0, to: count, by: Self.sequenceLength).reduce(0) { sum, first in
      requestCount += 1
      let keys = keys(model, first, Self.sequenceLength)
      let id = RequestID(engine: EngineID(2), number: requestCount)
      return core.state.withLock { state in
        let now = Clock.now
        let ready = state.engine.match(
          id, in: model.id, keys: keys.span, firstPosition: 0, parentKey: .none, now: now
        ).readyCount
        _ = state.engine.commit(id, count: ready, now: now)
        state.settle(now: now)
        return sum + ready
      }
    }
  }

  /// Whether each block that is found holds what was stored.
  func bytesAreRight(_ model: Model, count: Int) -> Bool {
    wrongCount = 0
    return use(model, count: count) == count && wrongCount == 0
  }

  private func keys(_ model: Model, _ first: Int, _ count: Int) -> [BlockKey] {
    (0..<count).map { BlockKey(high: model.number, low: UInt64(first + $0 + 1) << 20) }
  }

  private func useSequence(_ model: Model, _ keys: [BlockKey]) -> Int {
    requestCount += 1
    let id = RequestID(engine: EngineID(1), number: requestCount)
    return core.state.withLock { state in
      let now = Clock.now
      let memory = state.classes[Int(model.classID.rawValue)].memory
      let match = state.engine.match(
        id, in: model.id, keys: keys.span, firstPosition: 0, parentKey: .none, now: now)
      var done: [OperationID] = []
      var right = 0
      if match.readyCount > 0 { _ = state.engine.commit(id, count: match.readyCount, now: now) }
      state.settle(now: now) { effect in
        guard case .onboard(let operation, _, let position, _, let source) = effect else { return }
        if done.last != operation { done.append(operation) }
        let slot = memory.slot(source.block.slot.index)
        if Self.isMarked(slot, memory.slotBytes, keys[position]) { right += 1 }
      }
      wrongCount += match.readyCount - right
      let rest = Array(keys[match.readyCount...])
      _ = state.engine.prepareStore(
        id, in: model.id, keys: rest.span, firstPosition: match.readyCount,
        parentKey: match.readyCount > 0 ? keys[match.readyCount - 1] : .none, now: now)
      state.settle(now: now) { effect in
        guard case .offload(let operation, _, let position, _, let target) = effect else { return }
        done.append(operation)
        Self.mark(memory.slot(target.block.slot.index), memory.slotBytes, keys[position])
      }
      for operation in done {
        state.engine.completed(operation, part: 0, .success, now: now)
      }
      state.engine.cancel(id)
      state.engine.endStep(EngineID(1))
      state.settle(now: now)
      return right
    }
  }

  private static func mark(_ slot: UnsafeMutableRawPointer, _ byteCount: Int, _ key: BlockKey) {
    key.store(to: slot)
    key.store(to: slot + byteCount - 16)
  }

  private static func isMarked(
    _ slot: UnsafeRawPointer, _ byteCount: Int, _ key: BlockKey
  ) -> Bool {
    BlockKey(bytes: slot) == key && BlockKey(bytes: slot + byteCount - 16) == key
  }
}
