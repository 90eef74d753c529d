import BlockIdentity
import Testing
import Wire

@Suite("Messages")
struct MessageTests {
  private let run = KeyRun(
    request: 7, firstPosition: 3, parentKey: BlockKey(high: 1, low: 2),
    keys: [BlockKey(high: 3, low: 4), BlockKey(high: 5, low: 6)])

  private var hello: Hello {
    Hello(
      role: .worker, engineUID: Array(0..<16), rank: 1, workerCount: 2,
      groups: [
        GroupDescription(
          kind: 0, headCount: 4, layerCount: 4, blockTokens: 32, tokenBytes: 128, elementBytes: 2),
        GroupDescription(
          kind: 1, headCount: 4, layerCount: 2, blockTokens: 32, tokenBytes: 128, elementBytes: 2,
          windowTokens: 256),
      ],
      producerEngine: "vllm 0.32.0", producerDevice: "cpu", producerAttention: "CPU_ATTN",
      namespaceDescription: Array("{}".utf8))
  }

  private var step: StepMessage {
    var step = StepMessage()
    step.ended = [1, 2]
    step.loads = [StepMessage.Load(request: 7, count: 2)]
    step.stores = [
      StepMessage.Store(run: run), StepMessage.Store(run: run, firstOffered: [0, 2]),
    ]
    step.retentions = [
      StepMessage.Retention(request: 7, priority: 90),
      StepMessage.Retention(
        request: 7, firstBlock: 2, endBlock: 9, priority: 0, durationMilliseconds: 600_000,
        isPinned: true),
    ]
    step.prefill.tokens = 512
    step.prefill.contextTokens = 1 << 40
    step.prefill.nanoseconds = 123_456_789
    return step
  }

  private var stepReply: StepReply {
    var reply = StepReply()
    reply.loads = [StepReply.Load(operation: 9, slots: [1, 2, WireFormat.noBlock, 3])]
    reply.stores = [StepReply.Store(run: 0, index: 1, group: 0, slot: 5, operation: 11)]
    return reply
  }

  /// Every message as bytes, with what reads it.
  private var samples: [(name: String, bytes: [UInt8], read: ([UInt8]) throws -> Bool)] {
    func encoded(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
      var writer = ByteWriter()
      body(&writer)
      return writer.bytes
    }
    let completed = CompletedMessage(parts: [.init(operation: 3, part: 1, outcome: .corrupt)])
    let match = MatchReply(readyCount: 4, pendingCount: 5)
    return [
      ("hello", hello.encode(), { try $0.decode(Hello.init(from:)) == hello }),
      ("step", encoded(step.encode), { try $0.decode(StepMessage.init(from:)) == step }),
      (
        "step reply", encoded(stepReply.encode),
        { try $0.decode(StepReply.init(from:)) == stepReply }
      ),
      (
        "completed", encoded(completed.encode),
        { try $0.decode(CompletedMessage.init(from:)).parts == completed.parts }
      ),
      ("match", encoded(match.encode), { try $0.decode(MatchReply.init(from:)) == match }),
    ]
  }

  @Test("Every message is read as it was written")
  func roundTrip() throws {
    for sample in samples { #expect(try sample.read(sample.bytes), "\(sample.name)") }
  }

  @Test("Every message that is cut anywhere, or longer, is refused")
  func cut() {
    for sample in samples {
      for count in 0..<sample.bytes.count {
        #expect(throws: WireError.self, "\(sample.name) cut to \(count)") {
          _ = try sample.read(Array(sample.bytes.prefix(count)))
        }
      }
      #expect(throws: WireError.self) { _ = try sample.read(sample.bytes + [0]) }
    }
  }

  @Test("A false count of items costs nothing and is refused")
  func falseCount() {
    var writer = ByteWriter()
    writer.put(UInt32.max)
    #expect(throws: WireError.malformed) {
      try writer.bytes.decode { (reader) throws(WireError) in try StepMessage(from: &reader) }
    }
  }

  @Test("An offer that speaks of more groups than there can be is refused")
  func tooManyGroups() {
    for count in [WireFormat.groupCountMax, WireFormat.groupCountMax + 1] {
      var step = StepMessage()
      let firstOffered = [UInt32](repeating: 1, count: count)
      step.stores = [StepMessage.Store(run: run, firstOffered: firstOffered)]
      var writer = ByteWriter()
      step.encode(to: &writer)
      let read = try? writer.bytes.decode(StepMessage.init(from:))
      #expect((read == step) == (count == WireFormat.groupCountMax))
    }
  }

  @Test("A retention of nothing, of no priority or with half a pin is refused, and so are too many")
  func wrongRetentions() {
    func isRead(_ retentions: [StepMessage.Retention]) -> Bool {
      var step = StepMessage()
      step.retentions = retentions
      var writer = ByteWriter()
      step.encode(to: &writer)
      return (try? writer.bytes.decode(StepMessage.init(from:))) == step
    }
    let good = StepMessage.Retention(request: 7, firstBlock: 3, endBlock: 4, priority: 100)
    var wrong = [good, good]
    wrong[0].endBlock = 3
    wrong[1].priority = 101
    #expect(isRead([good]))
    for retention in wrong { #expect(!isRead([good, retention])) }
    #expect(isRead(Array(repeating: good, count: WireFormat.retentionCountMax)))
    #expect(!isRead(Array(repeating: good, count: WireFormat.retentionCountMax + 1)))

    var step = StepMessage()
    step.retentions = [good]
    var writer = ByteWriter()
    step.encode(to: &writer)
    // The pin is the last field of the last retention; 20 bytes of prefill and a count follow.
    writer.patch(2, at: writer.count - 28)
    #expect(throws: WireError.malformed) { try writer.bytes.decode(StepMessage.init(from:)) }
  }

  @Test("So many requests say when they will be back, and not more")
  func returns() {
    for count in [2, WireFormat.returnCountMax, WireFormat.returnCountMax + 1] {
      var step = StepMessage()
      step.returns = (0..<count).map {
        StepMessage.Return(request: UInt64($0), milliseconds: UInt32($0 * 7))
      }
      #expect(!step.isEmpty)
      var writer = ByteWriter()
      step.encode(to: &writer)
      let read = try? writer.bytes.decode(StepMessage.init(from:))
      #expect((read == step) == (count <= WireFormat.returnCountMax))
    }
  }

  @Test("A key that marks empty slots is refused")
  func emptyKey() {
    var writer = ByteWriter()
    KeyRun(request: 1, firstPosition: 0, parentKey: .none, keys: [.none]).encode(to: &writer)
    #expect(throws: WireError.malformed) { try writer.bytes.decode(KeyRun.init(from:)) }
  }

  @Test("Who pays travels with a run, and no name is longer than a tenant's")
  func tenants() throws {
    for count in [1, WireFormat.tenantBytesMax, WireFormat.tenantBytesMax + 1] {
      var run = run
      run.tenant = String(repeating: "t", count: count)
      var writer = ByteWriter()
      run.encode(to: &writer)
      let read = try? writer.bytes.decode(KeyRun.init(from:))
      #expect((read == run) == (count <= WireFormat.tenantBytesMax))
    }
  }

  @Test("Random bytes never trap")
  func randomBytes() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<5_000 {
      let count = Int.random(in: 0..<200, using: &generator)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
      for sample in samples { _ = try? sample.read(bytes) }
    }
  }

  @Test("A greeting of another release is told by its version")
  func otherVersion() {
    var bytes = hello.encode()
    bytes[8] = 99
    #expect(throws: WireError.version(99)) {
      try bytes.decode { (reader) throws(WireError) in try Hello(from: &reader) }
    }
  }
}
