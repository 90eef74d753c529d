import BlockEngine
import BlockIdentity
import Wire

/// A scheduler and its workers, from their attachment to the last one's end.
///
/// A session ends as a whole: when one side goes, the others are revoked, and only when all have let
/// go is it certain that nothing of the engine still reads or writes host memory.
final class Session {
  let id: UInt64
  let engineUID: [UInt8]
  let engine: EngineID
  let namespace: NamespaceEntry
  let workerCount: UInt32
  private(set) var scheduler: ClientConnection?
  private(set) var workers: [UInt32: ClientConnection] = [:]
  private(set) var isClosing = false
  /// Of the sides that have gone: how many, and how many of them said goodbye.
  private var departedCount = 0
  private var goodbyeCount = 0

  init(
    id: UInt64, engineUID: [UInt8], engine: EngineID, namespace: NamespaceEntry,
    workerCount: UInt32
  ) {
    self.id = id
    self.engineUID = engineUID
    self.engine = engine
    self.namespace = namespace
    self.workerCount = workerCount
  }

  var isEmpty: Bool { scheduler == nil && workers.isEmpty }
  /// How an engine went.
  enum Ending {
    /// Every side said goodbye.
    case clean
    /// One side did, and the others were let go: the engine is stopping, or one of its processes
    /// was replaced.
    case partlyClean
    /// None did: it crashed, and may be restarted.
    case unclean
  }

  /// How the engine went, once all sides have.
  var ending: Ending {
    goodbyeCount == departedCount ? .clean : goodbyeCount > 0 ? .partlyClean : .unclean
  }

  /// Promises are made only when all who must keep them are there.
  var isComplete: Bool {
    !isClosing && scheduler != nil && workers.count == Int(workerCount)
  }

  /// Whether the side that this hello speaks of is still missing.
  func hasRoom(for hello: Hello) -> Bool {
    guard !isClosing, hello.workerCount == workerCount else { return false }
    return hello.role == .scheduler ? scheduler == nil : workers[hello.rank] == nil
  }

  func join(_ connection: ClientConnection) {
    connection.session = id
    if connection.role == .scheduler {
      scheduler = connection
    } else {
      workers[connection.rank] = connection
    }
  }

  /// Asks all sides to let go.
  func close() {
    guard !isClosing else { return }
    isClosing = true
    scheduler?.revoke()
    for worker in workers.values { worker.revoke() }
  }

  /// A side has gone, with its process or its word that it touches nothing any more.
  func leave(_ connection: ClientConnection) {
    if scheduler === connection { scheduler = nil }
    if workers[connection.rank] === connection { workers[connection.rank] = nil }
    departedCount += 1
    if connection.saidGoodbye { goodbyeCount += 1 }
  }
}
