import BlockEngine
import Testing

@testable import KVBMNode

/// Which block is named as missing. Blocks are ready ("h"), on disk ("d"), arriving ("a") or not
/// there ("."), a row for each group.
@Suite("ShortfallSearch")
struct ShortfallSearchTests {
  private func place(_ windows: [Int?], _ rows: [String], covered: Int) -> [Int] {
    let rows = rows.map { Array($0) }
    let place = ShortfallSearch(windows: windows)
      .place(coveredCount: covered, askedCount: rows[0].count) { group, index in
        switch rows[group][index] {
        case "h": .host
        case "d": .disk
        case "a": .arriving
        default: []
        }
      }
    return [place.group, place.index]
  }

  @Test("With full attention it is the first that is not ready, of the group that lacks it")
  func full() {
    #expect(place([nil], ["hh.."], covered: 2) == [0, 2])
    #expect(place([nil], ["hhdd"], covered: 2) == [0, 2])
    #expect(place([nil, nil], ["hhhh", "hh.h"], covered: 2) == [1, 2])
    #expect(place([nil, nil], ["hhdh", "hh.h"], covered: 2) == [1, 2])
    #expect(place([nil, nil], ["hhhh", "hhdh"], covered: 2) == [1, 2])
    // All there, and not offered: any will do.
    #expect(place([nil], ["hhhh"], covered: 2) == [0, 2])
  }

  @Test("Where the full groups end first, a window is not to blame")
  func fullFirst() {
    #expect(place([nil, 2], ["hhhh..", "..hh.."], covered: 4) == [0, 4])
  }

  @Test("A gap in the window at the end of what the full groups have is named")
  func gap() {
    #expect(place([nil, 2], ["hhhhhh", "...h.h"], covered: 0) == [1, 4])
    #expect(place([nil, 3], ["hhhhhh", "hh..hh"], covered: 2) == [1, 3])
    #expect(place([nil, 2, 2], ["hhhhhh", "hhhh.h", "hhh.hh"], covered: 3) == [1, 4])
    // On disk and not staged.
    #expect(place([nil, 2], ["hhhhhh", "....dh"], covered: 0) == [1, 4])
  }

  @Test("Where a window has nothing near the end, the last block is named")
  func emptyWindow() {
    #expect(place([nil, 2], ["hhhhhh", "......"], covered: 0) == [1, 5])
    #expect(place([2], ["hhhh...."], covered: 4) == [0, 4])
  }

  @Test("Groups that all slide are searched from the end of what is known")
  func allSliding() {
    #expect(place([3], ["hhh.hh.."], covered: 3) == [0, 3])
    #expect(place([2, 4], ["..hhh...", "..hhh..."], covered: 0) == [1, 1])
  }

  @Test("The block that is named is missing, in every case of two groups and five blocks")
  func isMissing() {
    let count = 5
    let windows: [Int?] = [nil, 1, 2, 3]
    var caseCount = 0
    for (first, second) in windows.flatMap({ one in windows.map { (one, $0) } }) {
      for bits in 0..<(1 << (2 * count)) {
        let rows = [0, count].map { shift in
          String((0..<count).map { bits >> ($0 + shift) & 1 == 1 ? "h" : "." })
        }
        let covered = usable([first, second], rows)
        guard covered < count else { continue }
        caseCount += 1
        let found = place([first, second], rows, covered: covered)
        #expect(
          Array(rows[found[0]])[found[1]] == ".",
          "\(first as Any) \(second as Any) \(rows) \(found)")
      }
    }
    #expect(caseCount > 10_000)
  }

  /// The longest prefix that has all that it needs, by the definition.
  private func usable(_ windows: [Int?], _ rows: [String]) -> Int {
    let rows = rows.map { Array($0) }
    return (0...rows[0].count).last { count in
      windows.enumerated().allSatisfy { group, window in
        rows[group][max(0, count - (window ?? count))..<count].allSatisfy { $0 == "h" }
      }
    } ?? 0
  }
}
