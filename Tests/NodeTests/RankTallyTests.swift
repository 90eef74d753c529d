import BlockEngine
import KVBMNode
import Testing

@Suite("RankTally")
struct RankTallyTests {
  private let operation = OperationID(7)

  @Test("One rank's reports go through as they are, also those that nobody waits for")
  func oneRank() {
    var tally = RankTally(rankCount: 1)
    tally.expect(operation)
    #expect(tally.count == 0)
    #expect(tally.note(operation, rank: 0, .corrupt) == .corrupt)
    #expect(tally.note(OperationID(8), rank: 0, .success) == .success)
  }

  @Test("An operation ends with the last rank's report, in whatever order", arguments: [2, 4, 32])
  func lastRank(rankCount: UInt32) {
    var tally = RankTally(rankCount: rankCount)
    tally.expect(operation)
    for rank in (1..<rankCount).reversed() {
      #expect(tally.note(operation, rank: rank, .success) == nil)
    }
    #expect(tally.count == 1)
    #expect(tally.note(operation, rank: 0, .success) == .success)
    #expect(tally.count == 0)
  }

  @Test("Reports that are repeated, unasked for or of no rank change nothing")
  func strays() {
    var tally = RankTally(rankCount: 2)
    #expect(tally.note(operation, rank: 0, .failure) == nil)
    tally.expect(operation)
    #expect(tally.note(operation, rank: 1, .success) == nil)
    #expect(tally.note(operation, rank: 1, .failure) == nil)
    #expect(tally.note(operation, rank: 2, .failure) == nil)
    #expect(tally.note(operation, rank: 0, .success) == .success)
    #expect(tally.note(operation, rank: 0, .success) == nil)
  }

  @Test("The worst outcome counts: wrong bytes before failures before success")
  func worst() {
    let outcomes: [Outcome] = [.success, .failure, .corrupt]
    for (first, one) in outcomes.enumerated() {
      for (second, other) in outcomes.enumerated() {
        var tally = RankTally(rankCount: 2)
        tally.expect(operation)
        _ = tally.note(operation, rank: 0, one)
        #expect(tally.note(operation, rank: 1, other) == outcomes[max(first, second)])
      }
    }
  }
}
