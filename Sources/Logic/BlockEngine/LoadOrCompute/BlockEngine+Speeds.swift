/// What transfers and engines teach of their speed.
extension BlockEngine {
  /// An inference engine has computed some tokens of prompts.
  ///
  /// - Parameter blockTokens: Tokens of one position in its namespace, positive.
  public mutating func note(
    prefill sample: PrefillEstimate.Sample, blockTokens: Int, of engine: EngineID
  ) {
    guard blockTokens > 0 else { return }
    speeds[engine].blockTokens = blockTokens
    speeds[engine].prefill.learn(sample)
  }

  /// Reads of a trial, one after another and for nobody, have taught how fast the disk is. They
  /// count less than what is read for somebody.
  public mutating func note(
    trialReads: [(byteCount: Int, nanoseconds: UInt64)], now: Time
  ) {
    for read in trialReads {
      speeds.disk.learn(
        queuedBytes: read.byteCount, nanoseconds: read.nanoseconds, now: now.nanoseconds)
    }
    speeds.disk.doubt()
  }

  /// What is known of the way from disk to host memory.
  public var diskFigures: PathFigures { PathFigures(speeds.disk) }

  /// What is known of the way from the object store to host memory.
  public var objectFigures: PathFigures { PathFigures(speeds.object) }

  /// What is known of the engines that have loaded or computed something, in order of their ids.
  public var engineFigures: [(engine: EngineID, figures: EngineFigures)] {
    speeds.engines.sorted { $0.key.rawValue < $1.key.rawValue }.map { id, speed in
      (id, EngineFigures(speed))
    }
  }

  /// An operation begins: its bytes are on the way.
  ///
  /// - Returns: The bytes of the queue that it ends, itself included; 0 for a store, whose time is
  ///   the engine's step and says nothing.
  mutating func countIn(_ operation: Operation) -> Int {
    switch operation.kind {
    case .read, .write: speeds.disk.begin(bytes: operation.byteCount)
    case .get: speeds.object.begin(bytes: operation.byteCount)
    case .load:
      operation.owner.map { speeds[$0].host.begin(bytes: operation.byteCount) } ?? 0
    case .store, .put, .look: 0
    }
  }

  /// An operation has ended.
  mutating func countOut(_ operation: Operation, _ now: Time) {
    switch operation.kind {
    case .read, .write: speeds.disk.end(bytes: operation.byteCount)
    case .get: speeds.object.end(bytes: operation.byteCount)
    case .load:
      guard let owner = operation.owner else { return }
      speeds[owner].host.end(bytes: operation.byteCount)
    case .store, .put, .look: break
    }
    // What was too late teaches that it was; what has failed teaches nothing.
    guard !operation.hasFailed, now > operation.begunAt else { return }
    let nanoseconds = now.nanoseconds - operation.begunAt.nanoseconds
    if operation.kind == .read {
      speeds.disk.learn(
        queuedBytes: operation.queuedBytes, nanoseconds: nanoseconds, now: now.nanoseconds)
    }
    if operation.kind == .get {
      speeds.object.learn(
        queuedBytes: operation.queuedBytes, nanoseconds: nanoseconds, now: now.nanoseconds)
    }
    if operation.kind == .load, let owner = operation.owner {
      speeds[owner].host.learn(
        queuedBytes: operation.queuedBytes, nanoseconds: nanoseconds, now: now.nanoseconds)
    }
  }
}

extension EngineFigures {
  init(_ speed: EngineSpeed) {
    host = PathFigures(speed.host)
    prefillSampleCount = speed.prefill.sampleCount
    isPrefillKnown = speed.prefill.isKnown
    nanosecondsPerToken = speed.prefill.nanosecondsPerToken
    nanosecondsPerPair = speed.prefill.nanosecondsPerPair
  }
}
