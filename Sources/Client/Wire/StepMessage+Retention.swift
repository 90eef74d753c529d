extension StepMessage {
  /// How long a range of a request's blocks is worth keeping.
  public struct Retention: Equatable, Sendable {
    /// The scheduler's number for the request.
    public var request: UInt64
    /// The range in its sequence, counted in blocks; `UInt32.max` as its end for all that follow.
    public var firstBlock: UInt32
    public var endBlock: UInt32
    /// 0...100; 50 is that of blocks of which nothing is said.
    public var priority: UInt32
    /// After so long the blocks are like others again; 0 for never.
    public var durationMilliseconds: UInt32
    /// Whether the blocks are to be kept from eviction altogether, for that long.
    public var isPinned: Bool

    /// A retention as given; its limits are checked by the reader.
    public init(
      request: UInt64, firstBlock: UInt32 = 0, endBlock: UInt32 = .max, priority: UInt32,
      durationMilliseconds: UInt32 = 0, isPinned: Bool = false
    ) {
      self.request = request
      self.firstBlock = firstBlock
      self.endBlock = endBlock
      self.priority = priority
      self.durationMilliseconds = durationMilliseconds
      self.isPinned = isPinned
    }

    /// The greatest priority.
    public static let priorityMax: UInt32 = 100

    /// Appends the fields, `byteCount` of them.
    func encode(to writer: inout ByteWriter) {
      writer.put(request)
      writer.put(firstBlock)
      writer.put(endBlock)
      writer.put(priority)
      writer.put(durationMilliseconds)
      writer.put(UInt32(isPinned ? 1 : 0))
    }

    /// Reads a retention, which others may follow.
    ///
    /// - Throws: `malformed`, also for an empty range, a priority that is none, and a pin that is
    ///   neither 0 nor 1.
    init(from reader: inout ByteReader) throws(WireError) {
      request = try reader.take()
      firstBlock = try reader.take()
      endBlock = try reader.take()
      priority = try reader.take()
      durationMilliseconds = try reader.take()
      let pin: UInt32 = try reader.take()
      guard firstBlock < endBlock, priority <= Self.priorityMax, pin <= 1 else {
        throw .malformed
      }
      isPinned = pin == 1
    }

    /// Bytes of one.
    static let byteCount = 28
  }

  /// What the engine's forward passes over prompts took; all zero when nothing was measured.
  public struct Prefill: Equatable, Sendable {
    /// Tokens that were computed.
    public var tokens: UInt32 = 0
    /// The sum, over these tokens, of the tokens before each in its sequence.
    public var contextTokens: UInt64 = 0
    /// What all of it took.
    public var nanoseconds: UInt64 = 0

    /// Nothing was measured.
    public init() {}

    /// Appends the fields.
    func encode(to writer: inout ByteWriter) {
      writer.put(tokens)
      writer.put(contextTokens)
      writer.put(nanoseconds)
    }

    /// Reads the fields.
    init(from reader: inout ByteReader) throws(WireError) {
      tokens = try reader.take()
      contextTokens = try reader.take()
      nanoseconds = try reader.take()
    }
  }
}
