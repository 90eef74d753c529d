import BlockEngine
import CLinux
import Glibc
import Wire

/// A node: serves the engines of this machine from host memory and disk until it is told to stop.
///
/// 1. `init` claims the socket and opens the disk store; what cannot be is refused here. 2. `run`
/// serves on the calling thread. 3. It ends on SIGINT or SIGTERM, or with its last engine where
/// configured so: it lets engines go, waits for writes to disk, and removes its socket.
///
/// Everything but `init` happens on the thread of `run`.
public final class Node: @unchecked Sendable {
  /// The engine and the disk store, which other threads enter as well.
  let core: NodeCore
  /// Runs every handler of the node, on the thread of `run`.
  let loop: EventLoop
  /// Grows the tiers, on a thread of its own.
  let keeper: ExtentKeeper
  /// As validated; it never changes.
  let configuration: NodeConfiguration
  private let claim: SocketClaim
  /// Made before any thread, so that no thread takes a signal in another way.
  private let signals: Int32

  /// Live connections by socket, and sessions by id; on the loop's thread.
  var connections: [Int32: ClientConnection] = [:]
  var sessions: [UInt64: Session] = [:]
  /// How many sessions there were: a session's number is never used again.
  var lastSession: UInt64 = 0
  private var lastConnection: UInt64 = 0
  /// When to end, and whether the node is about to.
  var lifetime: NodeLifetime
  /// Whether the object store was said not to answer.
  var objectWatch = ObjectWatch()
  private var listenerToken: UInt64 = 0
  /// Answers scrapers, where configured so and possible.
  private(set) var metrics: MetricsServer?

  /// Claims what the node needs.
  ///
  /// - Throws: The first thing that cannot be had; nothing is held then.
  public init(_ configuration: NodeConfiguration) throws(NodeError) {
    do throws(ConfigurationError) { try configuration.validate() } catch {
      throw .configuration(error)
    }
    self.configuration = configuration
    signals = clinux_signalfd()
    // A file beyond the process's limit is an error of that write, and no more.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
    claim = try SocketClaim(path: configuration.socketPath)
    guard let loop = EventLoop() else {
      throw .system("the system gives no event descriptors: \(String(cString: strerror(errno)))")
    }
    self.loop = loop
    core = try NodeCore(configuration)
    keeper = ExtentKeeper(core)
    lifetime = NodeLifetime(configuration, startedAt: Clock.now)
  }

  /// Serves until the node ends.
  public func run() throws(NodeError) {
    let timer = clinux_timerfd(Self.tickMilliseconds)
    guard signals >= 0, timer >= 0, keeper.start() else {
      throw .system("the system gives no signals, timer or thread")
    }
    loop.add(signals) { [unowned self] _ in
      while case let signal = clinux_signalfd_read(self.signals), signal != 0 {
        take(signal)
      }
    }
    loop.add(timer) { [unowned self] _ in
      clinux_timerfd_drain(timer)
      tick()
    }
    listenerToken = loop.add(claim.listener) { [unowned self] _ in accept() }
    announce()
    serveMetrics()
    loop.run()
    keeper.stop()
    core.closeStore()
    close(timer)
    NodeLog.info("ended")
  }

  /// How often the engine is told the time: its deadlines are no finer.
  static let tickMilliseconds: Int32 = 10

  private func announce() {
    let host = ByteSize(bytes: configuration.hostCapacityBytes)
    var disk = "no disk tier"
    if let store = core.store {
      let capacity = ByteSize(bytes: store.capacityBytes)
      disk = "disk \(capacity) in \(store.directory)"
      for warning in store.warnings { NodeLog.warning(warning) }
    }
    if let object = configuration.object { disk += ", objects in \(object.url)" }
    if let failure = core.diskFailure { NodeLog.error(failure) }
    NodeLog.info("kvbm \(NodeVersion.text) serves at \(claim.path): host \(host), \(disk)")
  }

  /// Without metrics the node is worth as much: an address that cannot be had is no reason to end.
  private func serveMetrics() {
    guard let address = configuration.metrics else { return }
    do throws(NodeError) {
      metrics = MetricsServer(try MetricsListener(address), loop) { [core] in
        core.statistics().prometheus + "\n"
      }
      NodeLog.info("metrics at \(address)")
      if !address.isLocal { NodeLog.warning("everybody who reaches \(address) can read metrics") }
    } catch {
      NodeLog.warning("\(error); the node serves without them")
    }
  }

  /// Takes no more connections, and frees the path for a successor.
  func stopListening() {
    metrics?.stop()
    metrics = nil
    loop.remove(claim.listener, listenerToken)
    claim.release()
  }

  private func accept() {
    while true {
      let socket = Glibc.accept(claim.listener, nil, nil)
      guard socket >= 0 else { return }
      _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
      var process: pid_t = 0
      var user: uid_t = 0
      guard clinux_peer(socket, &process, &user) == 0, user == geteuid(),
        connections.count < Self.connectionCountMax
      else {
        close(socket)
        continue
      }
      lastConnection += 1
      let connection = ClientConnection(
        number: lastConnection, socket: socket, process: process)
      connections[socket] = connection
      watch(connection, socket) { [unowned self, unowned connection] in
        receive(from: connection)
      }
      if connection.pidfd >= 0 {
        watch(connection, connection.pidfd) { [unowned self, unowned connection] in
          drop(connection)
        }
      }
      return
    }
  }

  private static let connectionCountMax = 1024

  /// Has the loop call `body` on input, as long as the connection lives.
  func watch(_ connection: ClientConnection, _ fd: Int32, _ body: @escaping () -> Void) {
    connection.watches.append((fd, loop.add(fd) { _ in body() }))
  }

  /// The connection has ended: its process has, or its side of the socket is closed.
  func drop(_ connection: ClientConnection) {
    guard connections.removeValue(forKey: connection.socket) != nil else { return }
    for (fd, token) in connection.watches { loop.remove(fd, token) }
    guard let session = sessions[connection.session] else { return }
    session.leave(connection)
    if !session.isEmpty { session.close() } else { end(session) }
  }

  /// All sides have let go: nothing of the engine touches host memory any more.
  private func end(_ session: Session) {
    sessions[session.id] = nil
    let now = Clock.now
    core.state.withLock { state in
      state.engine.detach(session.engine, now: now)
      state.settle(now: now)
      state.sessionCount = sessions.count
      for place in session.namespace.places {
        state.servedClasses[Int(place.classID.rawValue), default: 1] -= 1
      }
    }
    let how = session.ending == .unclean ? "went without goodbye" : "said goodbye"
    NodeLog.info("session \(session.id): the engine \(how)")
    lifetime.sessionEnded(session, remaining: sessions.count, now: now)
  }
}
