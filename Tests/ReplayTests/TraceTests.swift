import Foundation
import KVBMReplay
import Testing

@Suite("Traces")
struct TraceTests {
  @Test("A Mooncake line gives its blocks and its time, whatever else it says")
  func mooncake() throws {
    let trace = try trace(
      """
      {"timestamp": 0, "input_length": 700, "hash_ids": [0, 1]}

      {"hash_ids":[0,2,3],"note":{"a":[1,"]",null,true,-1.5e3]},"timestamp":27000}\r
      {"timestamp": 26000, "hash_ids": []}
      """, as: .mooncake)
    #expect(trace.requestCount == 3 && trace.blockCount == 5)
    #expect(trace.keys[0] == trace.keys[2] && Set(trace.keys).count == 4)
    #expect(trace.arrivals == [0, 26_000_000_000, 27_000_000_000])
    #expect((0..<3).map { trace.range(of: $0).count } == [2, 0, 3], "in the order of arrival")
  }

  @Test("Tokens make keys of full blocks, and equal prefixes equal keys")
  func tokens() throws {
    let trace = try trace(
      "1 2 3 4 5\n1, 2, 3, 9\n{\"tokens\": [1, 2, 3, 4]}\n7\n", as: .tokens)
    #expect((0..<4).map { trace.range(of: $0).count } == [2, 2, 2, 0])
    #expect(trace.keys[0] == trace.keys[2] && trace.keys[1] != trace.keys[3])
    #expect(trace.keys[0...1] == trace.keys[4...5])
    #expect(!trace.isTimed)
  }

  @Test("Keys are read as they are printed")
  func keys() throws {
    let name = "00112233445566778899aabbccddeeff"
    let trace = try trace("{\"keys\": [\"\(name)\"], \"timestamp\": 1.5}", as: .keys)
    #expect(trace.keys.map(\.description) == [name])
    #expect(trace.arrivals == [1_500_000])
    #expect(trace.promptCounts == [1])
  }

  @Test("A recording comes in order, with how much of each request was its prompt")
  func recording() throws {
    func line(_ time: Int, _ numbers: [Int], _ promptCount: Int) -> String {
      let keys = numbers.map { "\"\(String(repeating: "0", count: 31))\($0)\"" }
      return """
        {"timestamp":\(time).125,"prompt_blocks":\(promptCount),"device_blocks":0,\
        "loaded_blocks":0,"keys":[\(keys.joined(separator: ","))]}

        """
    }
    let text = line(9, [1, 2, 3], 2) + line(3, [4], 0) + line(9, [5], 7) + line(1, [], 0)
    let trace = try trace(text, as: .keys)
    #expect(trace.arrivals == [1_125_000, 3_125_000, 9_125_000, 9_125_000])
    #expect(trace.keys.map { $0.description.last } == ["4", "1", "2", "3", "5"])
    #expect(trace.promptCounts == [0, 0, 2, 1], "no more than there are")
    let error = #expect(throws: TraceError.self) {
      try Trace(parsing: Array("{\"keys\": [], \"prompt_blocks\": -1}".utf8), as: .keys)
    }
    #expect(error?.reason == "\"prompt_blocks\" is -1")
  }

  @Test("A recording says what requests called their blocks worth, where they did")
  func priorities() throws {
    func line(_ time: Int, _ rest: String) -> String {
      "{\"timestamp\":\(time),\(rest)\"keys\":[\"\(String(repeating: "1", count: 32))\"]}\n"
    }
    let text = line(3, "") + line(2, "\"priority\":90,") + line(1, "\"priority\":0,")
    #expect(try trace(text, as: .keys).priorities == [0, 90, 50])
    let error = #expect(throws: TraceError.self) {
      try Trace(parsing: Array("{\"keys\": [], \"priority\": 101}".utf8), as: .keys)
    }
    #expect(error?.reason == "\"priority\" is 101")
  }

  @Test(
    "A line that is wrong is named, with what would be right",
    arguments: [
      ("{\"hash_ids\": [1]}\n{\"hash_ids\": [1,}", "2: \"}\" in column 17, where a whole number"),
      ("{\"hash_ids\": [1]", "1: the line ends where \"}\" should be"),
      ("{\"tokens\": [1]}", "1: no \"hash_ids\"; is the format another?"),
      ("[1, 2]", "1: \"[\" in column 1, where \"{\" should be"),
      ("{\"hash_ids\": [1], \"timestamp\": -4}", "1: \"timestamp\" is -4.0"),
      ("{\"hash_ids\": [1], \"timestamp\": 4}\n{\"hash_ids\": [1]}", "2: no \"timestamp\""),
      ("{\"hash_ids\": [1]}\n\n{\"timestamp\": 4, \"hash_ids\": [1]}", "3: a \"timestamp\""),
      ("{\"hash_ids\": [1234567890123456789]}", "1: a number of more than 18 digits"),
      (
        String(repeating: "{\"a\":", count: 99) + "1" + String(repeating: "}", count: 99),
        "1: values nested too deeply"
      ),
    ])
  func wrongLines(text: String, reason: String) {
    let error = #expect(throws: TraceError.self) { try trace(text, as: .mooncake) }
    #expect(error?.description.hasPrefix(reason) == true, "\(String(describing: error))")
  }

  @Test("Tokens and keys that are none are refused")
  func wrongItems() {
    #expect(throws: TraceError(line: 1, reason: "-1 is no token id")) {
      try trace("1 -1", as: .tokens)
    }
    #expect(throws: TraceError(line: 1, reason: "\"ab\" is no key of 32 hexadecimal digits")) {
      try trace("{\"keys\": [\"ab\"]}", as: .keys)
    }
  }

  @Test("A file that is missing, or no gzip although it begins like one, is said so")
  func wrongFiles() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).gz").path
    #expect(throws: TraceFileError.self) { try TraceFile.read(path) }
    try Data([0x1f, 0x8b, 1, 2, 3]).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = #expect(throws: TraceFileError.self) { try TraceFile.read(path) }
    #expect(error?.description == "gzip cannot unpack it")
  }
}
