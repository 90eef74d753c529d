import BlockPool
import Foundation
import KVBMReplay
import KVBMTesting
import Testing

@Suite("Replay")
struct ReplayTests {
  /// Least recently used order over plain lists, by the letter of the rule.
  private func naiveHits(_ requests: [[Int]], capacity: Int) -> Int {
    var order: [Int] = []
    var hitCount = 0
    for request in requests {
      hitCount += request.prefix { order.contains($0) }.count
      order.removeAll(where: request.contains)
      // Tails are released first.
      order += request.reversed()
      order.removeFirst(max(0, order.count - capacity))
    }
    return hitCount
  }

  /// Requests that go down a random tree, at most `depth` deep.
  private func requests(_ count: Int, depth: Int, seed: UInt64) -> [[Int]] {
    var random = Random(seed: seed)
    return (0..<count).map { _ in
      var node = 1
      return (0...random.below(depth)).map { _ in
        node = node * 4 + random.below(3)
        return node
      }
    }
  }

  @Test("The pool under LRU has the hits of a list in that order", arguments: 1...8)
  func leastRecentlyUsed(seed: UInt64) throws {
    let requests = requests(400, depth: 6, seed: seed)
    let trace = try trace(requests)
    for capacity in [6, 9, 20, 200] {
      let result = try PolicyName.lru.replay(trace, blockCount: capacity)
      #expect(result.hitCount == naiveHits(requests, capacity: capacity))
    }
  }

  @Test("Whatever the policy, pool and counts agree", arguments: PolicyName.allCases)
  func sound(policy: PolicyName) throws {
    let requests = requests(600, depth: 9, seed: 5)
    let trace = try trace(requests)
    for capacity in [1, 2, 7, 30, 1_000] {
      let result = try policy.replay(trace, blockCount: capacity)
      #expect(result.requestCount == 600 && result.blockCount == requests.joined().count)
      #expect(result.hitCount <= trace.optimalHitCount(capacity: capacity))
      #expect((result.refusedCount > 0) == (capacity < 9))
    }
  }

  /// As `naiveHits`, of a list that takes what was asked for before, behind what is there.
  private func naiveSelectiveHits(_ requests: [[Int]], capacity: Int) -> (hits: Int, stored: Int) {
    var order: [Int] = []
    var known: Set<Int> = []
    var (hitCount, storedCount) = (0, 0)
    for request in requests {
      hitCount += request.prefix { order.contains($0) }.count
      let held = Array(request.prefix { order.contains($0) || known.contains($0) })
      known.formUnion(request)
      storedCount += held.count { !order.contains($0) }
      order.removeAll(where: held.contains)
      order += held.reversed()
      order.removeFirst(max(0, order.count - capacity))
    }
    return (hitCount, storedCount)
  }

  @Test("What comes in at its second sight is what a list with a set of names would take")
  func seenTwice() throws {
    let requests = requests(400, depth: 6, seed: 3)
    let trace = try trace(requests)
    for capacity in [9, 20, 200] {
      let result = try PolicyName.lru.replay(
        trace, blockCount: capacity, admission: .choice(.seenTwice))
      let naive = naiveSelectiveHits(requests, capacity: capacity)
      #expect(result.hitCount == naive.hits && result.storedCount == naive.stored)
    }
  }

  @Test(
    "Whatever comes in, pool and counts agree",
    arguments: [AdmissionName.all, .choice(.seenTwice), .tinyLFU])
  func admission(name: AdmissionName) throws {
    let requests = requests(600, depth: 9, seed: 5)
    let trace = try trace(requests)
    for policy in PolicyName.allCases {
      let result = try policy.replay(trace, blockCount: 30, admission: name)
      #expect(result.hitCount > 0 && result.hitCount <= trace.optimalHitCount(capacity: 30))
      #expect(result.storedCount + result.hitCount <= result.blockCount)
      #expect(result.declinedCount > 0 || name == .all)
    }
  }

  @Test("What is worth less than the threshold is as if it were not stored")
  func priority() throws {
    let requests = requests(400, depth: 6, seed: 7)
    let all = try trace(requests)
    var mixed = Trace()
    for request in 0..<all.requestCount {
      mixed.append(all.keys[all.range(of: request)], priority: request % 2 == 0 ? 80 : 20)
    }
    let few = try PolicyName.lru.replay(
      mixed, blockCount: 10_000, admission: .choice(.priority(60)))
    let most = try PolicyName.lru.replay(mixed, blockCount: 10_000, admission: .all)
    let stored = Set((0..<all.requestCount).filter { $0 % 2 == 0 }.flatMap { requests[$0] })
    #expect(few.storedCount == stored.count && most.storedCount > few.storedCount)
    #expect(few.hitCount < most.hitCount)
  }

  /// The best of all ways to keep blocks, by trying every one.
  private func exhaustiveOptimum(_ requests: ArraySlice<[Int]>, _ kept: Set<Int>, _ capacity: Int)
    -> Int
  {
    guard let request = requests.first else { return 0 }
    let hitCount = request.prefix(while: kept.contains).count
    let choices = subsets(kept.union(request), capacity)
    return hitCount
      + (choices.map { exhaustiveOptimum(requests.dropFirst(), $0, capacity) }.max() ?? 0)
  }

  private func subsets(_ blocks: Set<Int>, _ count: Int) -> [Set<Int>] {
    guard blocks.count > count else { return [blocks] }
    guard count > 0, let first = blocks.min() else { return [[]] }
    let rest = blocks.subtracting([first])
    return subsets(rest, count) + subsets(rest, count - 1).map { $0.union([first]) }
  }

  @Test("The optimum is what the best of all choices has", arguments: 1...12)
  func optimum(seed: UInt64) throws {
    let requests = requests(5, depth: 3, seed: seed)
    let trace = try trace(requests)
    for capacity in 1...3 {
      #expect(
        trace.optimalHitCount(capacity: capacity)
          == exhaustiveOptimum(requests[...], [], capacity))
    }
  }

  @Test("LRU and the optimum have the published figures on the conversation trace")
  func published() throws {
    let trace = try RecordedTrace.conversation()
    #expect(trace.requestCount == 12_031 && trace.blockCount == 288_500 && trace.isTimed)
    for (blocks, percent) in [(1_000, 4.45), (10_000, 21.16), (20_000, 28.78), (50_000, 35.46)] {
      let result = try PolicyName.lru.replay(trace, blockCount: blocks)
      #expect(abs(result.hitRate * 100 - percent) < 0.05)
    }
    for (blocks, percent) in [(1_000, 19.07), (5_000, 34.12), (20_000, 36.64)] {
      let rate = Double(trace.optimalHitCount(capacity: blocks)) / Double(trace.blockCount)
      #expect(abs(rate * 100 - percent) < 0.05)
    }
  }

  @Test("A list of policies is read, and an unknown one refused")
  func names() {
    #expect(PolicyName.list("lru,best,lru") == [.lru, .best])
    #expect(PolicyName.list("all") == PolicyName.allCases)
    #expect(PolicyName.list("lru,") == nil && PolicyName.list("mru") == nil)
  }

  @Test("A picture has a line a policy, and names are escaped")
  func plot() {
    let svg = HitRatePlot(
      lines: [
        .init(name: "a<b", points: [(1_000, 0.1), (10_000, 0.2)]), .init(name: "c", points: []),
      ], title: "t & u"
    ).svg
    #expect(svg.contains("a&lt;b") && svg.contains("t &amp; u") && svg.hasSuffix("</svg>\n"))
    #expect(svg.components(separatedBy: "<circle").count == 3)
  }
}
