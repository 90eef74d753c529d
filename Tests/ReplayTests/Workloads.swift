import BlockIdentity
import Glibc
import KVBMReplay
import KVBMTesting

/// Workloads made from a seed, each with a habit that some policy lives on or dies of.
enum Workload: String, CaseIterable, Sendable {
  /// Agents with long shared prompts, each call with an end of its own that never comes again.
  case agents
  /// Conversations, between which a flood of prompts passes that come once.
  case floods
  /// The same sequence of prompts, round and round.
  case cycle
  /// Single blocks by a popularity that stays as it is.
  case popularity
  /// Documents of several blocks by a popularity that stays as it is.
  case documents
  /// Tenants with prompts and paces of their own, some busy and some rare.
  case tenants
  /// Conversations that go on at random times and end at random, without any habit.
  case poisson

  /// A trace of some 100,000 blocks.
  func trace(seed: UInt64) -> Trace {
    var maker = TraceMaker(seed: seed)
    switch self {
    case .agents: maker.agents()
    case .floods: maker.floods()
    case .cycle: maker.cycle()
    case .popularity: maker.popular(itemCount: 20_000, length: 1, requestCount: 120_000)
    case .documents: maker.popular(itemCount: 3_000, length: 8, requestCount: 15_000)
    case .tenants: maker.tenants()
    case .poisson: maker.conversations(count: 3_000, open: 150)
    }
    return maker.trace
  }
}

/// Makes requests at random times.
private struct TraceMaker {
  var trace = Trace()
  private var random: Random
  private var now: Double = 0
  private var nextBlock: UInt64 = 1

  init(seed: UInt64) { random = Random(seed: seed) }

  private mutating func uniform() -> Double { Double(random.next() >> 11) / Double(1 << 53) }

  private mutating func wait(mean seconds: Double) -> Double { -log(1 - uniform()) * seconds }

  /// New blocks, as many as asked for.
  private mutating func blocks(_ count: Int) -> [BlockKey] {
    (0..<count).map { _ in
      nextBlock += 1
      return BlockKey(high: nextBlock, low: Random.mix(nextBlock))
    }
  }

  private mutating func add(_ request: [BlockKey], every seconds: Double = 0.3) {
    now += wait(mean: seconds)
    trace.append(request, arrival: UInt64(now * 1e9))
  }

  mutating func agents() {
    let prompts = (0..<60).map { _ in blocks(20 + random.below(60)) }
    for _ in 0..<2_200 {
      let prompt = prompts[min(random.below(60), random.below(60))]
      add(prompt + blocks(1 + random.below(6)))
    }
  }

  mutating func floods() {
    for round in 0..<12 {
      conversations(count: 250, open: 40)
      if round % 3 == 2 {
        for _ in 0..<150 { add(blocks(10 + random.below(40)), every: 0.05) }
      }
    }
  }

  mutating func cycle() {
    let prompts = (0..<300).map { _ in blocks(4 + random.below(24)) }
    for _ in 0..<20 {
      for prompt in prompts { add(prompt) }
    }
  }

  /// Popularity falls as one divided by the rank.
  mutating func popular(itemCount: Int, length: Int, requestCount: Int) {
    let items = (0..<itemCount).map { _ in blocks(length) }
    var sums: [Double] = []
    for rank in 1...itemCount { sums.append((sums.last ?? 0) + 1 / Double(rank)) }
    for _ in 0..<requestCount {
      let wanted = uniform() * (sums.last ?? 0)
      var low = 0
      var high = itemCount - 1
      while low < high {
        let middle = (low + high) / 2
        if sums[middle] < wanted { low = middle + 1 } else { high = middle }
      }
      add(items[low], every: 0.05)
    }
  }

  mutating func tenants() {
    let prompts = (0..<40).map { _ in blocks(2 + random.below(30)) }
    var open = prompts.map { $0 }
    for _ in 0..<5_000 {
      let tenant = min(random.below(40), random.below(40), random.below(40))
      open[tenant] += blocks(1 + random.below(4))
      add(open[tenant])
      // Busy tenants talk longer.
      if random.oneIn(2 + (40 - tenant) / 4) { open[tenant] = prompts[tenant] }
    }
  }

  mutating func conversations(count: Int, open openCount: Int) {
    var open = (0..<openCount).map { _ in blocks(2 + random.below(12)) }
    for _ in 0..<count * 3 {
      let chosen = random.below(openCount)
      add(open[chosen])
      open[chosen] = random.oneIn(3) ? blocks(2 + random.below(12)) : open[chosen] + blocks(3)
    }
  }
}
