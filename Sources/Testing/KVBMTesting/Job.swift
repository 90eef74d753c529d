import BlockEngine

/// One part of an operation, in the hands of a pretend driver or a pretend rank.
struct Job {
  enum Work {
    case offload(EngineID, BlockRecord, to: BlockRef)
    case onboard(EngineID, [Piece])
    case read(BlockRecord, from: BlockRef, to: BlockRef)
    case write(BlockRecord, from: BlockRef, to: BlockRef)
    case get(BlockRecord, to: BlockRef)
    case put(BlockRecord, from: BlockRef)
    case look(BlockRecord)
  }

  /// A block of a load, and what it should be.
  struct Piece {
    let record: BlockRecord
    let source: BlockRef
  }

  let operation: OperationID
  let part: Int
  let work: Work
  /// The engine waits no longer than until then; `.max` for a load.
  let deadline: UInt64
  /// When the bytes move, and when the engine hears of it; never before.
  var runAt: UInt64
  var reportAt: UInt64
  /// Nil until the bytes have moved.
  var outcome: Outcome?
  /// The engine has heard of it already, or was restarted since, or the rank is dead: memory is
  /// touched no more, yet the report may still arrive.
  var isEcho = false

  /// The inference engine whose rank does it; nil for the node's own drivers.
  var engine: EngineID? {
    switch work {
    case .offload(let engine, _, _), .onboard(let engine, _): engine
    case .read, .write, .get, .put, .look: nil
    }
  }

  /// Whether the disk driver does it.
  var isOnDisk: Bool {
    switch work {
    case .read, .write: true
    case .offload, .onboard, .get, .put, .look: false
    }
  }

  /// Whether the object store's driver does it.
  var isOnObjects: Bool { engine == nil && !isOnDisk }

  /// Calls `body` with the blocks whose slots may be touched until this is reported.
  func forEachBlock(_ body: (BlockRef) -> Void) {
    switch work {
    case .offload(_, _, let target), .get(_, let target): body(target)
    case .put(_, let source): body(source)
    case .look: break
    case .onboard(_, let pieces): for piece in pieces { body(piece.source) }
    case .read(_, let source, let target), .write(_, let source, let target):
      body(source)
      body(target)
    }
  }
}
