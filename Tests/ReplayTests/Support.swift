import Foundation
import KVBMReplay

/// The recorded traces of this folder.
enum RecordedTrace {
  /// Mooncake's conversation trace: 12,031 requests, 288,500 blocks of 512 tokens.
  static func conversation() throws -> Trace {
    let name = "Traces/mooncake_conversation_trace.jsonl"
    let path = Bundle.module.path(forResource: name, ofType: "gz") ?? name
    return try Trace(parsing: TraceFile.read(path), as: .mooncake)
  }
}

/// A trace of a text.
func trace(_ text: String, as format: TraceFormat, blockTokens: Int = 2) throws(TraceError) -> Trace
{
  try Trace(parsing: Array(text.utf8), as: format, blockTokens: blockTokens)
}

/// A trace without times whose requests are lists of block numbers.
func trace(_ requests: [[Int]]) throws -> Trace {
  try trace(requests.map { "{\"hash_ids\": \($0)}\n" }.joined(), as: .mooncake)
}
