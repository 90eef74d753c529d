import BlockIdentity
import BlockPolicy

/// How a trace is written: one request a line.
public enum TraceFormat: String, CaseIterable, Sendable {
  /// JSON with `hash_ids`, numbers of prefix-chained blocks, and perhaps `timestamp`, in
  /// milliseconds as in all formats.
  case mooncake
  /// Token ids, as JSON with `tokens` and perhaps `timestamp`, or plain with blanks or commas.
  case tokens
  /// JSON with `keys`, 32 hexadecimal digits each, and perhaps `timestamp`, `prompt_blocks`, how
  /// many of them are the prompt's, and `priority`: what the connector records.
  case keys

  /// The field that has the request's blocks or tokens.
  var field: String {
    switch self {
    case .mooncake: "hash_ids"
    case .tokens: "tokens"
    case .keys: "keys"
    }
  }
}

extension Trace {
  /// Reads a trace; empty lines do not count, and requests come in the order of their times.
  ///
  /// - Parameters:
  ///   - blockTokens: Tokens of a block, at least 1; only `tokens` needs it. A tail that fills no
  ///     block is not kept by anybody, and is left out.
  ///   - progress: Called with the bytes that were read and all of them, now and then.
  /// - Throws: `TraceError` for the first line that is not in that format, or has no time where
  ///   others have one.
  /// - Complexity: O(`bytes.count`), and O(n log n) for requests in another order.
  public init(
    parsing bytes: [UInt8], as format: TraceFormat, blockTokens: Int = 16,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(TraceError) {
    precondition(blockTokens > 0, "a block has tokens")
    self.init()
    var position = 0
    var line = 0
    while position < bytes.count {
      var end = position
      while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
      line += 1
      var scanner = LineScanner(bytes[position..<end])
      do {
        if !scanner.isAtEnd { try add(&scanner, format, blockTokens) }
      } catch {
        throw TraceError(line: line, reason: error.reason)
      }
      position = end + 1
      if line % 512 == 0 { progress(position, bytes.count) }
    }
    sort()
    progress(bytes.count, bytes.count)
  }

  private mutating func add(
    _ scanner: inout LineScanner, _ format: TraceFormat, _ blockTokens: Int
  ) throws(LineScanner.Failure) {
    var request = RequestLine(format: format)
    try request.read(&scanner)
    let arrival = request.milliseconds.map { UInt64($0 * 1e6) }
    guard requestCount == 0 || isTimed == (arrival != nil) else {
      throw LineScanner.Failure(
        isTimed
          ? "no \"timestamp\", which the lines before have"
          : "a \"timestamp\", which the lines before do not have")
    }
    switch format {
    case .mooncake, .keys:
      append(
        request.keys, arrival: arrival, promptCount: request.promptCount,
        priority: request.priority)
    case .tokens:
      var chain = KeyChain(root: BlockKey(high: 1, low: 0), blockTokenCount: blockTokens)
      request.tokens.withUnsafeBufferPointer { chain.append($0) }
      append(chain.keys, arrival: arrival)
    }
  }
}

/// What one line says.
private struct RequestLine {
  let format: TraceFormat
  var keys: [BlockKey] = []
  var tokens: [UInt32] = []
  var milliseconds: Double?
  var promptCount: Int?
  var priority = AdmissionCandidate.normalPriority

  init(format: TraceFormat) { self.format = format }

  mutating func read(_ scanner: inout LineScanner) throws(LineScanner.Failure) {
    if format == .tokens, !scanner.isAtObject {
      while !scanner.isAtEnd { tokens.append(try token(&scanner)) }
      return
    }
    var hasBlocks = false
    try scanner.readObject { (name, scanner) throws(LineScanner.Failure) in
      if name == format.field {
        hasBlocks = true
        try scanner.readArray { (scanner) throws(LineScanner.Failure) in try readItem(&scanner) }
      } else if name == "timestamp" {
        let time = try scanner.readNumber()
        guard time >= 0, time < 1e13 else { throw .init("\"timestamp\" is \(time)") }
        milliseconds = time
      } else if name == "prompt_blocks", format == .keys {
        let count = try scanner.readInteger()
        guard count >= 0 else { throw .init("\"prompt_blocks\" is \(count)") }
        promptCount = count
      } else if name == "priority", format == .keys {
        priority = try scanner.readInteger()
        guard (0...100).contains(priority) else { throw .init("\"priority\" is \(priority)") }
      } else {
        try scanner.skipValue()
      }
    }
    guard hasBlocks else { throw .init("no \"\(format.field)\"; is the format another?") }
  }

  private mutating func readItem(_ scanner: inout LineScanner) throws(LineScanner.Failure) {
    switch format {
    case .mooncake:
      // Numbers become keys by a bijection, for the index wants keys that are hashes.
      let number = UInt64(bitPattern: Int64(try scanner.readInteger()))
      keys.append(BlockKey(high: number &+ 1, low: Self.mixed(number)))
    case .tokens: tokens.append(try token(&scanner))
    case .keys: keys.append(try key(try scanner.readString()))
    }
  }

  private func token(_ scanner: inout LineScanner) throws(LineScanner.Failure) -> UInt32 {
    let number = try scanner.readInteger()
    guard let token = UInt32(exactly: number) else { throw .init("\(number) is no token id") }
    return token
  }

  private func key(_ text: String) throws(LineScanner.Failure) -> BlockKey {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { throw .init("\"\(text)\" is no key of 32 hexadecimal digits") }
    return BlockKey(high: high.byteSwapped, low: low.byteSwapped)
  }

  private static func mixed(_ number: UInt64) -> UInt64 {
    var z = number &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
