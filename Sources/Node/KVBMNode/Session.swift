import BlockEngine
import BlockIdentity
import Wire

/// A scheduler and its workers, from their attachment to the last one's end.
///
/// A session ends as a whole: when one side goes, the others are revoked, and only when all have
/// let go is it certain that nothing of the engine still reads or writes host memory.
final class Session {
  /// Differs for all sessions of all node processes, as good as certainly.
  let id: UInt64
  /// Random per engine instance; by it the sides find each other.
  let engineUID: [UInt8]
  /// The engine's number for calls.
  let engine: EngineID
  /// As it was when the first side attached.
  let namespace: NamespaceEntry
  /// Workers that must attach before anything is promised.
  let workerCount: UInt32
  /// The sides that are attached, workers by rank.
  private(set) var scheduler: ClientConnection?
  private(set) var workers: [UInt32: ClientConnection] = [:]
  /// What the workers have still to report.
  var tally: RankTally
  /// Whether the sides were asked to let go; there is no way back.
  private(set) var isClosing = false
  /// Of the sides that have gone: how many, and how many of them said goodbye.
  private var departedCount = 0
  private var goodbyeCount = 0

  /// A session that no side has joined.
  init(
    id: UInt64, engineUID: [UInt8], engine: EngineID, namespace: NamespaceEntry,
    workerCount: UInt32
  ) {
    self.id = id
    self.engineUID = engineUID
    self.engine = engine
    self.namespace = namespace
    self.workerCount = workerCount
    tally = RankTally(rankCount: workerCount)
  }

  /// Whether all sides have let go, or none has come.
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

  /// Takes a side in, for which there must be room.
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
