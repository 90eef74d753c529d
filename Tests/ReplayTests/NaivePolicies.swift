import BlockIdentity
import KVBMReplay

extension Trace {
  /// The hits that a cache has which evicts what was used least often since it came in, and of
  /// equals what was used longest ago, tails before heads.
  func leastFrequentlyUsedHits(capacity: Int) -> Int {
    var uses: [BlockKey: (count: Int, last: Int)] = [:]
    // By number of uses: what was used last is at the end, and what has moved on is passed over.
    var levels: [[(key: BlockKey, last: Int)]] = [[]]
    var firsts = [0]
    var clock = 0
    var hitCount = 0
    for request in 0..<requestCount {
      let range = range(of: request)
      hitCount += keys[range].prefix { uses[$0] != nil }.count
      for place in range.reversed() {
        clock += 1
        let count = (uses[keys[place]]?.count ?? 0) + 1
        uses[keys[place]] = (count, clock)
        while levels.count <= count {
          levels.append([])
          firsts.append(0)
        }
        levels[count].append((keys[place], clock))
      }
      var level = 1
      while uses.count > capacity {
        guard firsts[level] < levels[level].count else {
          level += 1
          continue
        }
        let (key, last) = levels[level][firsts[level]]
        firsts[level] += 1
        if let use = uses[key], use.count == level, use.last == last { uses[key] = nil }
      }
    }
    return hitCount
  }
}
