import CKVBM
import Glibc
import Wire

/// The config of kvbm.h, checked and copied.
struct EngineConfig: Sendable {
  /// As in kvbm.h, where the fields have their meaning; within the limits that `init` checks.
  let socketPath: String
  let engineUID: [UInt8]
  let namespaceDescription: [UInt8]
  let groups: [GroupDescription]
  let workerCount: UInt32
  let producerEngine: String
  let producerDevice: String
  let producerAttention: String
  /// How long a call waits for the node's answer before it gives the attachment up.
  let callTimeoutMilliseconds: UInt32

  /// Milliseconds where the config has 0: far more than a node in order ever takes.
  static let callTimeoutDefault: UInt32 = 1_000
  private static let descriptionBytesMax = 32 * 1024

  /// Checks and copies; nothing of the caller's memory is used afterwards.
  ///
  /// - Throws: `KVBM_ARGUMENT`, naming the field that cannot be and its limits.
  init(_ pointer: UnsafePointer<kvbm_engine_config>?) throws(CallFailure) {
    guard let config = pointer?.pointee else { throw .argument("config is null") }
    socketPath = Self.text(config.socket_path)
    let pathBytesMax = UnixSocket.pathBytesMax
    guard !socketPath.isEmpty, socketPath.utf8.count <= pathBytesMax else {
      throw .argument(
        "socket_path has \(socketPath.utf8.count) bytes; it must have 1 to \(pathBytesMax)")
    }
    engineUID = withUnsafeBytes(of: config.engine_uid) { Array($0) }
    let length = config.namespace_description_length
    guard let description = config.namespace_description, length > 0,
      length <= Self.descriptionBytesMax
    else { throw .argument("namespace_description must have 1 to 32768 bytes") }
    namespaceDescription = Array(UnsafeBufferPointer(start: description, count: length))
    guard config.group_count > 0, config.group_count <= KVBM_GROUP_COUNT_MAX else {
      throw .argument("group_count is \(config.group_count); it must be 1 to 8")
    }
    let groupCount = Int(config.group_count)
    groups = withUnsafeBytes(of: config.groups) { raw in
      raw.bindMemory(to: kvbm_group.self).prefix(groupCount).map(Self.group)
    }
    for (index, group) in groups.enumerated() { try Self.check(group, index) }
    for group in groups where group.blockTokens == 0 || group.blockTokens > 65_535 {
      throw .argument("block_tokens is \(group.blockTokens); it must be 1 to 65535")
    }
    for group in groups where group.blockTokens != groups[0].blockTokens {
      throw .argument("groups of different block sizes are not supported")
    }
    guard config.worker_count > 0, config.worker_count <= 32 else {
      throw .argument("worker_count is \(config.worker_count); it must be 1 to 32")
    }
    workerCount = config.worker_count
    producerEngine = Self.text(config.producer_engine)
    producerDevice = Self.text(config.producer_device)
    producerAttention = Self.text(config.producer_attention)
    callTimeoutMilliseconds =
      config.call_timeout_ms == 0 ? Self.callTimeoutDefault : config.call_timeout_ms
  }

  /// The greeting of one of the engine's sides; a scheduler's rank is 0.
  func hello(_ role: Role, rank: UInt32) -> Hello {
    Hello(
      role: role, engineUID: engineUID, rank: rank, workerCount: workerCount, groups: groups,
      producerEngine: producerEngine, producerDevice: producerDevice,
      producerAttention: producerAttention, namespaceDescription: namespaceDescription)
  }

  /// A C text, of 4,096 bytes at most; empty for null.
  static func text(_ pointer: UnsafePointer<CChar>?) -> String {
    guard let pointer else { return "" }
    let bytes = UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self)
    return String(
      decoding: UnsafeBufferPointer(start: bytes, count: strnlen(pointer, 4096)), as: UTF8.self)
  }

  /// Whether loads can be taken up in parts, and their failures told by block: one full group.
  var takesPartialLoads: Bool {
    groups.count == 1 && groups[0].kind == UInt32(KVBM_GROUP_FULL)
  }

  /// Whether positions may be without a block in this group.
  func isSliding(_ group: Int) -> Bool {
    groups[group].kind == UInt32(KVBM_GROUP_SLIDING)
  }

  private static func check(_ group: GroupDescription, _ index: Int) throws(CallFailure) {
    let window = group.windowTokens
    switch group.kind {
    case UInt32(KVBM_GROUP_FULL):
      guard window == 0 else {
        throw .argument("group \(index): window_tokens is \(window); full attention has none")
      }
    case UInt32(KVBM_GROUP_SLIDING):
      guard window >= 2 else {
        throw .argument("group \(index): window_tokens is \(window); it must be at least 2")
      }
    case UInt32(KVBM_GROUP_STATE):
      throw .argument("group \(index) keeps a recurrent state, which is not served")
    default:
      throw .argument("group \(index): kind is \(group.kind), which there is not")
    }
  }

  private static func group(_ group: kvbm_group) -> GroupDescription {
    GroupDescription(
      kind: group.kind, headCount: group.head_count, layerCount: group.layer_count,
      blockTokens: group.block_tokens, tokenBytes: group.token_bytes,
      elementBytes: group.element_bytes, windowTokens: group.window_tokens)
  }
}
