import BlockIdentity
import Wire

/// What a worker does beside one step: made by the scheduler side, opaque to the engine between.
///
/// A plan holds only for the session that it was made in: slots mean nothing in another one.
struct Plan: Equatable {
  struct Copy: Equatable {
    var deviceBlock: UInt32
    var slot: UInt32
    /// What the slot must hold, or will.
    var key: BlockKey

    static let byteCount = 24
  }

  struct Load: Equatable {
    var request: UInt64
    /// 0: the node did not grant it, and the worker reports it as failed.
    var operation: UInt64
    var blockCount: UInt32
    /// By group and then by block; empty when not granted.
    var copies: [Copy]
  }

  struct Store: Equatable {
    var operation: UInt64
    var group: UInt32
    var copy: Copy
  }

  var session: UInt64 = 0
  /// Device blocks that the step overwrites.
  var fences: [UInt32] = []
  var loads: [Load] = []
  var stores: [Store] = []

  private static let magic: UInt32 = 0x4E4C_504B  // "KPLN"

  init() {}

  var isEmpty: Bool { fences.isEmpty && loads.isEmpty && stores.isEmpty }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.put(Self.magic)
    writer.put(WireFormat.version)
    writer.put(session)
    writer.put(UInt32(truncatingIfNeeded: fences.count))
    for fence in fences { writer.put(fence) }
    writer.put(UInt32(truncatingIfNeeded: loads.count))
    for load in loads {
      writer.put(load.request)
      writer.put(load.operation)
      writer.put(load.blockCount)
      writer.put(UInt32(truncatingIfNeeded: load.copies.count))
      for copy in load.copies { Self.put(copy, to: &writer) }
    }
    writer.put(UInt32(truncatingIfNeeded: stores.count))
    for store in stores {
      writer.put(store.operation)
      writer.put(store.group)
      Self.put(store.copy, to: &writer)
    }
    return writer.bytes
  }

  init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
    guard bytes.count > 0 else { return }
    var reader = ByteReader(bytes)
    guard try reader.take(UInt32.self) == Self.magic else { throw .malformed }
    let version: UInt32 = try reader.take()
    guard version == WireFormat.version else { throw .version(version) }
    session = try reader.take()
    for _ in 0..<(try reader.takeCount(itemBytes: 4)) { fences.append(try reader.take()) }
    for _ in 0..<(try reader.takeCount(itemBytes: 24)) {
      var load = Load(
        request: try reader.take(), operation: try reader.take(), blockCount: try reader.take(),
        copies: [])
      for _ in 0..<(try reader.takeCount(itemBytes: Copy.byteCount)) {
        load.copies.append(try Self.takeCopy(from: &reader))
      }
      loads.append(load)
    }
    for _ in 0..<(try reader.takeCount(itemBytes: 12 + Copy.byteCount)) {
      stores.append(
        Store(
          operation: try reader.take(), group: try reader.take(),
          copy: try Self.takeCopy(from: &reader)))
    }
    try reader.finish()
  }

  private static func put(_ copy: Copy, to writer: inout ByteWriter) {
    writer.put(copy.deviceBlock)
    writer.put(copy.slot)
    writer.put(copy.key)
  }

  private static func takeCopy(from reader: inout ByteReader) throws(WireError) -> Copy {
    Copy(deviceBlock: try reader.take(), slot: try reader.take(), key: try reader.takeKey())
  }
}
