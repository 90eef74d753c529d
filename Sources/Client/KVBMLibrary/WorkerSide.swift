import CKVBM
import Glibc
import KVLayout
import Synchronization
import Wire

/// A rank's half of an engine: carries out plans, and reports every load exactly once.
///
/// Copies run on threads of its own. Calls come one at a time; `link` may be attached meanwhile.
final class WorkerSide: Sendable {
  /// How one group's blocks are copied.
  struct Binding: Sendable {
    /// Two plans, since a planted fault changes one of them; otherwise they are equal.
    let store: CopyPlan
    let load: CopyPlan
    /// Device blocks of every layer; a plan's numbers must be below.
    let deviceBlockCount: Int
  }

  /// What the engine said of itself at `kvbm_worker_open`.
  let config: EngineConfig
  /// This worker's part of every block: the number of the part, and its range of KV heads.
  let rank: UInt32
  let firstHead: UInt32
  let headCount: UInt32
  /// The way to the node, with a lock of its own.
  let link: Link
  /// The threads that copy, and what has not ended.
  let copies: CopyEngine
  /// By group; nil until registered.
  let bindings: Mutex<[Binding?]>
  private let processID = getpid()

  private static let copyThreadsDefault: UInt32 = 2
  /// A bound on what one worker takes of the engine's machine.
  static let copyThreadsMax: UInt32 = 64

  /// A worker side that is not attached yet, and has no device memory registered.
  ///
  /// - Throws: `KVBM_ARGUMENT` for a rank or a number of threads that cannot be.
  init(
    _ config: EngineConfig, rank: UInt32, firstHead: UInt32, headCount: UInt32,
    copyThreads: UInt32
  ) throws(CallFailure) {
    guard rank < config.workerCount else {
      throw .argument("rank is \(rank) of \(config.workerCount) workers")
    }
    guard copyThreads <= Self.copyThreadsMax else {
      throw .argument("copy_threads is \(copyThreads); it must be at most \(Self.copyThreadsMax)")
    }
    self.config = config
    self.rank = rank
    self.firstHead = firstHead
    self.headCount = headCount
    link = Link(socketPath: config.socketPath, hello: config.hello(.worker, rank: rank))
    copies = CopyEngine(
      rank: rank, threadCount: Int(copyThreads == 0 ? Self.copyThreadsDefault : copyThreads))
    bindings = Mutex(Array(repeating: nil, count: config.groups.count))
  }

  /// Whether this is a forked child, which has neither the threads nor the memory.
  var isForeign: Bool { getpid() != processID }

  /// Makes a group's copy plans, in place of earlier ones.
  ///
  /// - Throws: `KVBM_ARGUMENT` for a group, layer or layout that cannot be.
  func register(
    group: UInt32, layers: UnsafeBufferPointer<kvbm_layer>, deviceBlockCount: UInt32
  ) throws(CallFailure) {
    guard Int(group) < config.groups.count else {
      throw .argument("group is \(group) of \(config.groups.count)")
    }
    var deviceLayers: [DeviceLayer] = []
    for (index, layer) in layers.enumerated() {
      guard let base = layer.base else { throw .argument("layer \(index) has no base") }
      deviceLayers.append(
        DeviceLayer(
          base: base, blockStride: Int(layer.block_stride), headStride: Int(layer.head_stride),
          tokenStride: Int(layer.token_stride), kvStride: Int(layer.kv_stride)))
    }
    do throws(LayoutError) {
      let binding = try Self.bind(
        try GroupGeometry(config.groups[Int(group)]), Int(group), deviceLayers,
        Int(deviceBlockCount), Int(firstHead), Int(headCount))
      bindings.withLock { $0[Int(group)] = binding }
    } catch {
      throw .argument("group \(group): \(error)")
    }
  }

  private static func bind(
    _ geometry: GroupGeometry, _ group: Int, _ layers: [DeviceLayer], _ blockCount: Int,
    _ firstHead: Int, _ headCount: Int
  ) throws(LayoutError) -> Binding {
    var stored = layers
    if Faults.isSet(.shift) {
      for index in stored.indices { stored[index].base -= stored[index].tokenStride }
    }
    let loaded = Faults.isSet(.layer) ? layers.reversed() : layers
    let loadedHeads = Faults.isSet(.drop) ? headCount - 1 : headCount
    let storedFirstHead =
      Faults.isSet(.rank) ? (firstHead + headCount) % geometry.headCount : firstHead
    return Binding(
      store: try CopyPlan(
        geometry: geometry, group: group, layers: stored, deviceBlockCount: blockCount,
        firstHead: storedFirstHead, headCount: headCount),
      load: try CopyPlan(
        geometry: geometry, group: group, layers: loaded, deviceBlockCount: blockCount,
        firstHead: firstHead, headCount: loadedHeads),
      deviceBlockCount: blockCount)
  }
}

extension GroupGeometry {
  /// The geometry of a group as an engine describes it.
  ///
  /// - Throws: `LayoutError`, naming the field that cannot be.
  init(_ group: GroupDescription) throws(LayoutError) {
    guard let kind = Kind(rawValue: group.kind) else {
      throw .tooLarge(field: "kind", value: Int(group.kind), limit: 2)
    }
    try self.init(
      kind: kind, headCount: Int(group.headCount), layerCount: Int(group.layerCount),
      blockTokens: Int(group.blockTokens), tokenBytes: Int(group.tokenBytes),
      elementBytes: Int(group.elementBytes))
  }
}
