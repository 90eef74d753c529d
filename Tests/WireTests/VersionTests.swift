import BlockIdentity
import Testing
import Wire

@Suite("Versions of the protocol")
struct VersionTests {
  private let group = GroupDescription(
    kind: 0, headCount: 2, layerCount: 3, blockTokens: 4, tokenBytes: 32, elementBytes: 2)

  private func hello(version: UInt32) -> Hello {
    Hello(
      version: version, role: .scheduler, engineUID: Array(0..<16), rank: 0, workerCount: 1,
      groups: [group, group], producerEngine: "golden", producerDevice: "cpu",
      producerAttention: "none", namespaceDescription: Array("{}".utf8))
  }

  @Test("A greeting of every version that a node speaks is read, and of no other")
  func greetings() throws {
    for version in WireFormat.nodeVersions {
      let read = try hello(version: version).encode().decode(Hello.init(from:))
      #expect(read == hello(version: version))
    }
    #expect(WireFormat.nodeVersions == WireFormat.version - 1...WireFormat.version)
    for version in [WireFormat.nodeVersions.lowerBound - 1, WireFormat.version + 1] {
      #expect(throws: WireError.version(version)) {
        try hello(version: version).encode().decode(Hello.init(from:))
      }
    }
  }

  @Test("A library takes no answer in another version than its own")
  func welcomes() {
    let welcome = Welcome(version: WireFormat.version - 1, nodeInstance: 1, session: 2)
    #expect(throws: WireError.version(WireFormat.version - 1)) {
      try welcome.encode().decode(Welcome.init(from:))
    }
  }

  @Test("A step of version 3 ends behind what prefill took")
  func steps() throws {
    var step = StepMessage()
    step.ended = [9]
    step.loads = [StepMessage.Load(request: 7, count: 2)]
    let run = KeyRun(
      request: 7, firstPosition: 3, parentKey: BlockKey(high: 1, low: 2),
      keys: [BlockKey(high: 3, low: 4)])
    step.stores = [StepMessage.Store(run: run, firstOffered: [0, 1])]
    step.retentions = [StepMessage.Retention(request: 7, priority: 90)]
    step.prefill.tokens = 5
    var writer = ByteWriter()
    step.encode(to: &writer)
    // Version 4 goes on with a count of returns, here 0.
    let bytes = Array(writer.bytes.dropLast(4))
    let read = try bytes.decode { (reader) throws(WireError) in
      try StepMessage(from: &reader, version: 3)
    }
    #expect(read == step)
    #expect(throws: WireError.malformed) { try bytes.decode(StepMessage.init(from:)) }
    #expect(throws: WireError.malformed) {
      try writer.bytes.decode { (reader) throws(WireError) in
        try StepMessage(from: &reader, version: 3)
      }
    }
  }
}
