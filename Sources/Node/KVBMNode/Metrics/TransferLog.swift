import BlockEngine

/// How long copies, reads and writes take and how many bytes they move, by kind. Only ever rises.
///
/// An operation's beginning is kept by its entry in the engine's table, which has at most 65,536:
/// nothing has to be forgotten when an operation ends without a word.
struct TransferLog {
  /// Kinds of operations, by their way.
  enum Kind: String, CaseIterable {
    /// Device to host memory.
    case store
    /// Host memory to device.
    case load
    /// Disk to host memory.
    case read
    /// Host memory to disk.
    case write
    /// Object store to host memory.
    case get
    /// Host memory to object store.
    case put
  }

  /// What is known of a kind.
  struct Figures {
    /// Of operations that succeeded, from when the engine decided them to their last report.
    var latency = Histogram()
    /// Their bytes and blocks.
    var bytes = 0
    var blocks = 0
  }

  private struct Begun {
    var operation: UInt64 = 0
    var kind = Kind.store
    var bytes = 0
    var blocks = 0
    var time = Time(nanoseconds: 0)
  }

  private var begun: [Begun] = []
  private var figures: [Figures] = Array(repeating: Figures(), count: Kind.allCases.count)

  /// What is known of a kind.
  subscript(_ kind: Kind) -> Figures { figures[Self.index(kind)] }

  /// An operation begins; a load does so once for each of its blocks.
  mutating func began(_ operation: OperationID, _ kind: Kind, bytes: Int, _ now: Time) {
    let place = Int(truncatingIfNeeded: operation.rawValue & 0xffff)
    while begun.count <= place { begun.append(Begun()) }
    if begun[place].operation == operation.rawValue {
      begun[place].bytes += bytes
      begun[place].blocks += 1
    } else {
      begun[place] = Begun(
        operation: operation.rawValue, kind: kind, bytes: bytes, blocks: 1, time: now)
    }
  }

  /// An operation has ended; one that failed moved nothing that counts.
  mutating func ended(_ operation: OperationID, _ outcome: Outcome, _ now: Time) {
    let place = Int(truncatingIfNeeded: operation.rawValue & 0xffff)
    guard place < begun.count, begun[place].operation == operation.rawValue else { return }
    let entry = begun[place]
    begun[place].operation = 0
    guard outcome == .success else { return }
    let index = Self.index(entry.kind)
    figures[index].latency.add(nanoseconds: now.nanoseconds &- entry.time.nanoseconds)
    figures[index].bytes += entry.bytes
    figures[index].blocks += entry.blocks
  }

  private static func index(_ kind: Kind) -> Int {
    switch kind {
    case .store: 0
    case .load: 1
    case .read: 2
    case .write: 3
    case .get: 4
    case .put: 5
    }
  }
}
