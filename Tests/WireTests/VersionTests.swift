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

  @Test("A run of version 4 names nobody who pays, alone and in a step")
  func runs() throws {
    var run = KeyRun(
      request: 7, firstPosition: 3, parentKey: BlockKey(high: 1, low: 2),
      keys: [BlockKey(high: 3, low: 4)])
    run.name = "chat"
    var writer = ByteWriter()
    run.encode(to: &writer)
    // Behind request, position, parent and name version 5 has a text, here of no bytes.
    let bytes = Array(writer.bytes[..<36] + writer.bytes[40...])
    let read = try bytes.decode { (reader) throws(WireError) in
      try KeyRun(from: &reader, version: 4)
    }
    #expect(read == run)

    var step = StepMessage()
    step.stores = [StepMessage.Store(run: run, firstOffered: [0, 1])]
    var stepWriter = ByteWriter()
    step.encode(to: &stepWriter)
    // The run begins behind three counts.
    let stepBytes = Array(stepWriter.bytes[..<48] + stepWriter.bytes[52...])
    let readStep = try stepBytes.decode { (reader) throws(WireError) in
      try StepMessage(from: &reader, version: 4)
    }
    #expect(readStep == step)
  }
}
