import BlockEngine

/// How fast ways between tiers and engines' prefills are, as they were measured.
public struct SpeedFigures: Codable, Sendable {
  /// A way: a transfer takes the fixed time, and its queue at so many bytes a second.
  public struct Path: Codable, Sendable {
    /// "read", from disk to host memory, "get", from the object store, or "load", from host memory
    /// to a device.
    public var way: String
    /// The engine that loads.
    public var engine: Int?
    /// Transfers that it was learnt from.
    public var samples: Int
    /// Nil before enough was seen.
    public var fixedSeconds: Double?
    public var bytesPerSecond: Double?
  }

  /// An engine's prefill: so much for each token, and for each pair of a token and one before it.
  public struct Prefill: Codable, Sendable {
    public var engine: Int
    /// Observations that it was learnt from.
    public var samples: Int
    /// Nil before enough was seen; of tokens with few others before them.
    public var tokensPerSecond: Double?
    public var secondsPerPair: Double?
  }

  /// The disk first, then each engine's.
  public var paths: [Path]
  public var prefills: [Prefill]

  /// What an engine has learnt.
  init(_ engine: borrowing BlockEngine) {
    paths = [Path("read", engine.diskFigures)]
    if engine.limits.objectKeyLimit > 0 { paths.append(Path("get", engine.objectFigures)) }
    prefills = []
    for (id, figures) in engine.engineFigures {
      paths.append(Path("load", figures.host, engine: Int(id.rawValue)))
      let isKnown = figures.isPrefillKnown
      prefills.append(
        Prefill(
          engine: Int(id.rawValue), samples: figures.prefillSampleCount,
          tokensPerSecond: isKnown && figures.nanosecondsPerToken > 0
            ? (1e9 / figures.nanosecondsPerToken).rounded() : nil,
          secondsPerPair: isKnown ? figures.nanosecondsPerPair / 1e9 : nil))
    }
  }

  /// A line for each of which something was seen.
  var lines: [String] {
    paths.filter { $0.samples > 0 }.map(\.line) + prefills.filter { $0.samples > 0 }.map(\.line)
  }
}

extension SpeedFigures.Path {
  fileprivate init(_ way: String, _ figures: PathFigures, engine: Int? = nil) {
    self.way = way
    self.engine = engine
    samples = figures.sampleCount
    fixedSeconds = figures.isKnown ? figures.fixedNanoseconds / 1e9 : nil
    bytesPerSecond =
      figures.isKnown && figures.nanosecondsPerByte > 0
      ? (1e9 / figures.nanosecondsPerByte).rounded() : nil
  }

  fileprivate var line: String {
    let who = engine.map { " of engine \($0)" } ?? ""
    guard let fixedSeconds else {
      return "\(way)\(who)   not known yet, after \(samples) transfers"
    }
    let speed = bytesPerSecond.map { "\(ByteSize(bytes: Int(clamping: $0)))/s, and " } ?? ""
    let fixed = "\(Int(fixedSeconds * 1e6)) µs for each"
    return "\(way)\(who)   \(speed)\(fixed), from \(samples) transfers"
  }
}

extension SpeedFigures.Prefill {
  fileprivate var line: String {
    let speed =
      tokensPerSecond.map { "\(Int(clamping: $0)) tokens/s, from" } ?? "not known yet, after"
    return "prefill of engine \(engine)   \(speed) \(samples) observations"
  }
}
