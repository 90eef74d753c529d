/// What engines asked for and what they were promised. Only ever rises.
struct MatchLog {
  /// From a question's arrival to its answer, those to be asked again included.
  var latency = Histogram()
  /// Blocks, and tokens in them, of questions that were answered for good.
  private(set) var requestedBlocks = 0
  private(set) var requestedTokens = 0
  /// Those of them that were promised.
  private(set) var matchedBlocks = 0
  private(set) var matchedTokens = 0

  /// A match was answered; while blocks are on their way it is going to be asked again.
  mutating func note(requested: Int, ready: Int, pending: Int, blockTokens: Int) {
    guard pending == 0 else { return }
    requestedBlocks += requested
    matchedBlocks += ready
    requestedTokens += requested * blockTokens
    matchedTokens += ready * blockTokens
  }
}
