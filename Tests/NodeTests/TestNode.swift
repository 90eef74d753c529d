import CKVBM
import Foundation
import KVBMLibrary
import KVBMNode

/// A node on a thread of this process, with a directory of its own.
final class TestNode: @unchecked Sendable {
  let directory: URL
  var socketPath: String { directory.appendingPathComponent("s").path }
  var diskPath: String { directory.appendingPathComponent("disk").path }
  private var ended: DispatchSemaphore?

  init() throws {
    directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("kvbm-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  /// Starts a node that ends with its last engine; `change` makes other settings.
  func start(
    hostBytes: Int = 8 << 20, diskBytes: Int? = nil,
    _ change: (inout NodeConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = NodeConfiguration(
      socketPath: socketPath, hostCapacityBytes: hostBytes,
      disk: diskBytes.map { NodeConfiguration.Disk(path: diskPath, capacityBytes: $0) })
    configuration.endsWithLastEngine = true
    configuration.hostReserveBytes = 0
    change(&configuration)
    let node = NodeBox(try Node(configuration))
    let ended = DispatchSemaphore(value: 0)
    self.ended = ended
    Thread.detachNewThread {
      try? node.value.run()
      node.value = nil
      ended.signal()
    }
  }

  /// Waits until the node has ended by itself; false when it does not.
  func waitForEnd() -> Bool { ended?.wait(timeout: .now() + 30) == .success }
}

/// Carries the node to its thread, and lets it go there.
private final class NodeBox: @unchecked Sendable {
  var value: Node!
  init(_ value: Node) { self.value = value }
}

/// A scheduler and one worker over device memory of this process, on which all groups overlay.
final class TestEngine {
  static let headCount = 3
  static let layerCount = 2
  static let blockTokens = 4
  static let tokenBytes = 16
  static let deviceBlockCount = 64

  let scheduler: OpaquePointer
  let worker: OpaquePointer
  /// `[layer][block][head][token][K|V]`
  let device: UnsafeMutableRawPointer
  static let blockBytes = headCount * blockTokens * tokenBytes
  static let deviceBytes = layerCount * deviceBlockCount * blockBytes

  /// Cache groups, each with its window in tokens; 0 is full attention.
  let windows: [UInt32]

  init(
    socketPath: String, namespace: String = "{\"model\":\"test\"}", windows: [UInt32] = [0]
  ) {
    self.windows = windows
    device = .allocate(byteCount: Self.deviceBytes, alignment: 4096)
    device.initializeMemory(as: UInt8.self, repeating: 0, count: Self.deviceBytes)
    var uid = UUID().uuid
    var config = kvbm_engine_config()
    withUnsafeMutableBytes(of: &config.engine_uid) { target in
      withUnsafeBytes(of: &uid) { target.copyMemory(from: $0) }
    }
    config.group_count = UInt32(windows.count)
    withUnsafeMutableBytes(of: &config.groups) { raw in
      let groups = raw.bindMemory(to: kvbm_group.self)
      for (index, window) in windows.enumerated() { groups[index] = Self.group(window) }
    }
    config.worker_count = 1
    config.call_timeout_ms = 5_000
    var scheduler: OpaquePointer?
    var worker: OpaquePointer?
    let description = Array(namespace.utf8)
    socketPath.withCString { path in
      description.withUnsafeBufferPointer { bytes in
        config.socket_path = path
        config.namespace_description = bytes.baseAddress
        config.namespace_description_length = bytes.count
        _ = kvbm_scheduler_open(&config, &scheduler)
        _ = kvbm_worker_open(&config, 0, 0, UInt32(Self.headCount), 2, &worker)
      }
    }
    self.scheduler = scheduler!
    self.worker = worker!
    let layers = (0..<Self.layerCount).map { layer in
      kvbm_layer(
        base: device + layer * Self.deviceBlockCount * Self.blockBytes,
        block_stride: Int64(Self.blockBytes),
        head_stride: Int64(Self.blockTokens * Self.tokenBytes),
        token_stride: Int64(Self.tokenBytes), kv_stride: Int64(Self.tokenBytes / 2))
    }
    for group in windows.indices {
      _ = kvbm_worker_register(
        self.worker, UInt32(group), layers, layers.count, UInt32(Self.deviceBlockCount))
    }
  }

  private static func group(_ window: UInt32) -> kvbm_group {
    kvbm_group(
      kind: window == 0 ? UInt32(KVBM_GROUP_FULL) : UInt32(KVBM_GROUP_SLIDING),
      head_count: UInt32(headCount), layer_count: UInt32(layerCount),
      block_tokens: UInt32(blockTokens), token_bytes: UInt32(tokenBytes), element_bytes: 2,
      window_tokens: window)
  }

  deinit { device.deallocate() }

  /// Attaches both sides; the first code that is not OK.
  func attach() -> Int32 {
    let code = kvbm_worker_attach(worker, 5_000)
    return code == 0 ? kvbm_scheduler_attach(scheduler, 5_000) : code
  }

  func close(clean: Bool = true) {
    kvbm_worker_close(worker, clean ? 1 : 0)
    kvbm_scheduler_close(scheduler, clean ? 1 : 0)
  }

  // MARK: Requests

  func begin(_ tokens: [UInt32], salt: String = "") -> UInt64 {
    var request: UInt64 = 0
    let saltBytes = Array(salt.utf8)
    saltBytes.withUnsafeBufferPointer { bytes in
      var identity = kvbm_request_identity()
      identity.salt = bytes.baseAddress
      identity.salt_length = bytes.count
      _ = kvbm_request_begin(scheduler, &identity, &request)
    }
    _ = kvbm_request_append(scheduler, request, tokens, tokens.count)
    return request
  }

  /// Asks until nothing is pending, for five seconds at most.
  func match(_ request: UInt64, _ count: Int, from first: Int = 0) -> Int {
    var match = kvbm_match()
    for _ in 0..<5_000 {
      _ = kvbm_request_match(scheduler, request, UInt32(first), UInt32(count), &match)
      if match.pending_blocks == 0 { break }
      usleep(1_000)
    }
    return Int(match.ready_blocks)
  }

  /// Settles the step and lets the worker carry it out; returns the ended loads.
  @discardableResult
  func step(loads: Int = 0) -> [kvbm_load_result] {
    var plan = [UInt8](repeating: 0, count: 1 << 16)
    var length = 0
    _ = kvbm_scheduler_step(scheduler, nil, 0, &plan, plan.count, &length)
    _ = kvbm_worker_fence(worker, plan, length)
    _ = kvbm_worker_start_loads(worker, plan, length)
    _ = kvbm_worker_start_stores(worker, plan, length)
    _ = kvbm_worker_drain(worker, 5_000)
    var results = [kvbm_load_result](repeating: kvbm_load_result(), count: 16)
    let count = kvbm_worker_poll(worker, &results, results.count)
    return Array(results.prefix(max(0, Int(count))))
  }

  /// Stores the request's first blocks from device blocks `first...`.
  func store(_ request: UInt64, _ count: Int, from first: Int) {
    let blocks = (0..<count).map { UInt32(first + $0) }
    _ = kvbm_request_store(scheduler, request, 0, UInt32(count), blocks)
    step()
  }

  /// Loads what was matched to device blocks `first...`; how many blocks came.
  func load(_ request: UInt64, _ count: Int, to first: Int) -> Int? {
    let blocks = (0..<count).map { UInt32(first + $0) }
    _ = kvbm_request_load(scheduler, request, 0, UInt32(count), blocks)
    return step().first { $0.request == request }.map { Int($0.loaded_blocks) }
  }

  // MARK: Device

  /// Fills a device block with bytes that follow from `seed`.
  func fill(_ block: Int, seed: UInt64) {
    for (layer, offset) in Self.places {
      device.storeBytes(
        of: Self.byte(seed, layer, offset),
        toByteOffset: (layer * Self.deviceBlockCount + block) * Self.blockBytes + offset,
        as: UInt8.self)
    }
  }

  /// Whether a device block is as `fill` made it.
  func holds(_ block: Int, seed: UInt64) -> Bool {
    Self.places.allSatisfy { layer, offset in
      device.load(
        fromByteOffset: (layer * Self.deviceBlockCount + block) * Self.blockBytes + offset,
        as: UInt8.self) == Self.byte(seed, layer, offset)
    }
  }

  private static var places: [(Int, Int)] {
    (0..<layerCount).flatMap { layer in (0..<blockBytes).map { (layer, $0) } }
  }

  private static func byte(_ seed: UInt64, _ layer: Int, _ offset: Int) -> UInt8 {
    var mixed = seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(layer * 4096 + offset)
    mixed = (mixed ^ (mixed >> 29)) &* 0xBF58_476D_1CE4_E5B9
    return UInt8(truncatingIfNeeded: mixed >> 33)
  }
}
