import BlockEngine
import Foundation
import Testing

@testable import KVBMNode

@Suite("Explanation", .serialized)
struct ExplanationTests {
  @Test("A block that was evicted is told so, with tier and policy")
  func evicted() throws {
    let node = try TestNode()
    try node.start(hostBytes: 1 << 20)
    let engine = TestEngine(socketPath: node.socketPath)
    #expect(engine.attach() == 0)
    // 128 slots of 8 KiB; forty prompts of six blocks push the first one out.
    let prompts = (0..<40).map { prompt in (0..<24).map { UInt32(prompt * 100 + $0) } }
    for prompt in prompts {
      let request = engine.begin(prompt)
      engine.store(request, 6, from: 8)
    }
    #expect(engine.match(engine.begin(prompts[0]), 6) == 0)
    let explanation = try Explanation(
      json: try NodeQuestion.request("").ask(socketPath: node.socketPath))
    let latest = try #require(explanation.requests.first)
    #expect(latest.asked == 6)
    #expect(latest.firstMissing == 0)
    #expect(latest.reason?.hasPrefix("evicted by the policy leaf-first from host memory") == true)
    #expect(explanation.requests.contains { $0.stored == 6 })
    engine.close()
    #expect(node.waitForEnd())
  }

  @Test("The journal of removals forgets the oldest, and keeps the latest reason of a block")
  func removalsAreBounded() {
    var journal = RemovalJournal()
    func record(_ number: Int) -> BlockRecord {
      BlockRecord(
        key: BlockKey(high: UInt64(number) + 1, low: 0), parentKey: .none, position: 0, group: 0,
        namespace: NamespaceID(0))
    }
    let count = RemovalJournal.capacity + 10
    for number in 0..<count {
      journal.note(.host, record(number), .evicted, Time(nanoseconds: UInt64(number)))
    }
    #expect(journal.entry(record(9).key, group: 0, .host) == nil)
    #expect(journal.entry(record(10).key, group: 0, .host)?.reason == .evicted)
    #expect(journal.entry(record(10).key, group: 0, .disk) == nil)
    journal.note(.host, record(count - 1), .corrupt, Time(nanoseconds: 7))
    #expect(journal.entry(record(count - 1).key, group: 0, .host)?.reason == .corrupt)
    #expect(journal.entry(record(11).key, group: 0, .host)?.reason == .evicted)
  }

  @Test("The journal of requests forgets the oldest, and finds by name and by number")
  func requestsAreBounded() {
    var journal = RequestJournal()
    let namespace = Namespace(description: UnsafeRawBufferPointer(start: nil, count: 0))
    for number in 0..<(RequestJournal.capacity + 2) {
      let id = RequestID(engine: EngineID(1), number: UInt64(number))
      journal.update(id, namespace, Time(nanoseconds: UInt64(number))) { $0.name = "r\(number)" }
    }
    #expect(journal.find("r1").isEmpty)
    #expect(journal.find("r2").count == 1)
    #expect(journal.find("2").first?.name == "r2")
    #expect(journal.latest(1).first?.name == "r\(RequestJournal.capacity + 1)")
  }

  @Test("A description's groups are said in words, also of kinds that are not known")
  func groups() {
    let description = #"""
      {"groups":[{"kind":"full","heads":4,"head_size":64,"layers":2,"block_tokens":16},
       {"kind":"sliding","heads":1,"head_size":64,"layers":1,"window":256},
       {"kind":"mla","heads":1,"head_size":576,"layers":61},
       {"kind":"else","heads":1,"head_size":1,"layers":2}],"model":"m"}
      """#
    #expect(
      GroupWords.lines(ofDescription: description) == [
        "group 0: full attention, 2 layers, 4 heads of 64",
        "group 1: a window of 256 tokens, 1 layer, 1 head of 64",
        "group 2: latents (MLA) of 576, 61 layers", "group 3: else, 2 layers",
      ])
    #expect(GroupWords.lines(ofDescription: #"{"model":"m"}"#).isEmpty)
    #expect(GroupWords.lines(ofDescription: "no JSON").isEmpty)
  }

  @Test("Two descriptions are compared leaf by leaf")
  func differences() {
    let one = #"{"a":1,"b":{"c":[true,null]},"d":"x"}"#
    let other = #"{"a":1,"b":{"c":[false,null]},"e":2.5}"#
    #expect(
      NamespaceReport.differences(one, other) == [
        "b.c.0: true, false", "d: \"x\", (absent)", "e: (absent), 2.5",
      ])
    #expect(NamespaceReport.differences(one, "no JSON") == nil)
  }
}
