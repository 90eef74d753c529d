import BlockIdentity
import Wire

/// What a worker does beside one step: made by the scheduler side, opaque to the engine between.
///
/// A plan holds only for the session that it was made in: slots mean nothing in another one.
struct Plan: Equatable {
  /// One block of one group: between which device block and which slot.
  struct Copy: Equatable {
    /// The block's number in the engine's device memory.
    var deviceBlock: UInt32
    /// The slot's number in the host memory of the group.
    var slot: UInt32
    /// What the slot must hold, or will.
    var key: BlockKey

    /// Encoded; what a false count of copies is checked against.
    static let byteCount = 24
  }

  /// One group's blocks of a load: from some block on all of them.
  struct Row: Equatable {
    /// How many of the load's first blocks the group does not need, nor has: before a window.
    var firstBlock: UInt32
    /// Those of the blocks from there on.
    var copies: [Copy]

    /// Encoded, without copies.
    static let bytesMin = 8
  }

  /// Blocks that a request gets from host memory, all groups together.
  struct Load: Equatable {
    /// The scheduler's number, which the load's result carries back.
    var request: UInt64
    /// 0: the node did not grant it, and the worker reports it as failed.
    var operation: UInt64
    /// Blocks of the prefix, whether a group needs them or not.
    var blockCount: UInt32
    /// By group; none when it was not granted, or what was granted does not fit.
    var rows: [Row]
  }

  /// A block that the step completes, and that the node wants.
  struct Store: Equatable {
    /// What the copy's end is reported under.
    var operation: UInt64
    var group: UInt32
    var copy: Copy
  }

  /// The session whose slots the plan names; 0 when no node was asked.
  var session: UInt64 = 0
  /// Device blocks that the step overwrites.
  var fences: [UInt32] = []
  /// Started once the step's memory is prepared; each is reported exactly once.
  var loads: [Load] = []
  /// Started after the forward pass, or dropped when that failed.
  var stores: [Store] = []

  private static let magic: UInt32 = 0x4E4C_504B  // "KPLN"

  /// A plan with nothing to do.
  init() {}

  /// Whether no worker has anything to do.
  var isEmpty: Bool { fences.isEmpty && loads.isEmpty && stores.isEmpty }

  /// The bytes that the engine carries to its workers.
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
      writer.put(UInt32(truncatingIfNeeded: load.rows.count))
      for row in load.rows {
        writer.put(row.firstBlock)
        writer.put(UInt32(truncatingIfNeeded: row.copies.count))
        for copy in row.copies { Self.put(copy, to: &writer) }
      }
    }
    writer.put(UInt32(truncatingIfNeeded: stores.count))
    for store in stores {
      writer.put(store.operation)
      writer.put(store.group)
      Self.put(store.copy, to: &writer)
    }
    return writer.bytes
  }

  /// Reads a plan; no bytes are an empty one. Numbers are checked where they are used.
  ///
  /// - Throws: `malformed`, or `version` when the scheduler is of another release.
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
        rows: [])
      for _ in 0..<(try reader.takeCount(itemBytes: Row.bytesMin)) {
        var row = Row(firstBlock: try reader.take(), copies: [])
        for _ in 0..<(try reader.takeCount(itemBytes: Copy.byteCount)) {
          row.copies.append(try Self.takeCopy(from: &reader))
        }
        load.rows.append(row)
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
