import KVBMTesting
import Testing

@testable import PathEstimate

@Suite("The speed of a way")
struct PathEstimateTests {
  private func path() -> PathEstimate {
    PathEstimate(memoryCount: 64, memoryNanoseconds: 1_000_000_000)
  }

  /// A device that works first in, first out: a transfer ends so long after all before it.
  private func play(
    _ path: inout PathEstimate, fixed: Double, perByte: Double, count: Int, from start: UInt64 = 0,
    noise: Double = 0, seed: UInt64 = 1
  ) -> UInt64 {
    var random = Random(seed: seed)
    var now = start
    for index in 0..<count {
      // Bursts of 1 to 8 blocks of several sizes, all at once.
      var burst: [(bytes: Int, queue: Int)] = []
      for _ in 0...(index % 8) {
        let bytes = 4096 * (1 + random.below(64))
        burst.append((bytes, path.begin(bytes: bytes)))
      }
      for (bytes, queue) in burst {
        let error = 1 + noise * (Double(random.below(2001)) / 1000 - 1)
        let time = (fixed + perByte * Double(queue)) * error
        path.end(bytes: bytes)
        path.learn(queuedBytes: queue, nanoseconds: UInt64(time), now: now + UInt64(time))
      }
      now += 10_000_000
    }
    return now
  }

  @Test("Nothing is said before enough was seen")
  func unknown() {
    var path = path()
    for index in 0..<PathEstimate.sampleCountMin {
      #expect(path.nanoseconds(adding: 4096) == nil)
      path.learn(queuedBytes: 4096 * (index + 1), nanoseconds: 5000, now: UInt64(index))
    }
    #expect(path.nanoseconds(adding: 4096) != nil)
  }

  @Test("The last block of a prefix arrives when it is said to", arguments: [0, 0.3])
  func predicts(noise: Double) throws {
    var path = path()
    _ = play(&path, fixed: 100_000, perByte: 0.5, count: 60, noise: noise)
    for queue in [0, 1 << 20, 16 << 20] {
      _ = path.begin(bytes: queue)
      for bytes in [1 << 14, 1 << 20, 1 << 24] {
        let truth = 100_000 + 0.5 * Double(queue + bytes)
        let said = try #require(path.nanoseconds(adding: bytes))
        #expect(abs(said / truth - 1) < (noise == 0 ? 0.01 : 0.25), "\(queue) + \(bytes)")
      }
      path.end(bytes: queue)
    }
    #expect(path.queuedBytes == 0)
  }

  @Test("A hiccup changes little, at the beginning too")
  func hiccup() throws {
    for place in [0, 3, 40] {
      var path = path()
      for index in 0..<60 {
        let isHiccup = index == place
        path.learn(
          queuedBytes: 65536 * (1 + index % 7),
          nanoseconds: isHiccup ? 10_000_000_000 : UInt64(65536 * (1 + index % 7)),
          now: UInt64(index) * 1000)
        guard path.isKnown else { continue }
        let said = try #require(path.nanoseconds(ofQueue: 262144))
        #expect(said < 1.6 * 262144, "hiccup at \(place), seen at \(index)")
      }
    }
  }

  @Test("What has changed for good is believed soon", arguments: [20.0, 0.05])
  func change(factor: Double) throws {
    var path = path()
    let now = play(&path, fixed: 50_000, perByte: 1, count: 60)
    _ = play(&path, fixed: 50_000 * factor, perByte: factor, count: 60, from: now)
    let said = try #require(path.nanoseconds(ofQueue: 1 << 20))
    let truth = factor * Double(50_000 + 1 << 20)
    #expect(abs(said / truth - 1) < 0.3)
  }

  @Test("Equal transfers leave the fixed part open: all of it is laid to their bytes")
  func singular() throws {
    var path = path()
    for index in 0..<20 { path.learn(queuedBytes: 1000, nanoseconds: 5000, now: UInt64(index)) }
    #expect(path.fixedNanoseconds == 0)
    #expect(abs(try #require(path.nanoseconds(ofQueue: 2000)) - 10_000) < 1)
  }
}

@Suite("The speed of prefill")
struct PrefillEstimateTests {
  private func sample(_ count: Int, behind start: Int, _ a: Double, _ b: Double, extra: Double = 0)
    -> PrefillEstimate.Sample
  {
    let context = count * start + count * (count - 1) / 2
    return PrefillEstimate.Sample(
      tokenCount: count, contextTokenCount: context,
      nanoseconds: UInt64(a * Double(count) + b * Double(context) + extra))
  }

  @Test("Tokens and pairs are told apart")
  func fits() throws {
    var prefill = PrefillEstimate()
    for index in 0..<40 {
      prefill.learn(sample(64 << (index % 5), behind: 256 * (index % 7), 20_000, 3))
    }
    #expect(abs(prefill.nanosecondsPerToken / 20_000 - 1) < 0.05)
    #expect(abs(prefill.nanosecondsPerPair / 3 - 1) < 0.05)
    let said = try #require(prefill.nanoseconds(tokens: 4096, behind: 8192))
    let truth = Double(sample(4096, behind: 8192, 20_000, 3).nanoseconds)
    #expect(abs(said / truth - 1) < 0.05)
  }

  @Test("A first step that compiles, and steps that are tiny, teach no nonsense")
  func nonsense() throws {
    var prefill = PrefillEstimate()
    prefill.learn(sample(512, behind: 0, 20_000, 0, extra: 5e9))
    for _ in 0..<10 { prefill.learn(sample(512, behind: 0, 20_000, 0)) }
    // Each has 5 ms that are the step's and not its tokens'.
    for _ in 0..<1000 { prefill.learn(sample(16, behind: 512, 20_000, 0, extra: 5e6)) }
    let said = try #require(prefill.nanoseconds(tokens: 512, behind: 0))
    #expect(said < 2 * 512 * 20_000)
  }

  @Test("Nothing is said before there were steps and tokens enough")
  func unknown() {
    var prefill = PrefillEstimate()
    for _ in 0..<15 { prefill.learn(sample(16, behind: 0, 1000, 0)) }
    #expect(prefill.nanoseconds(tokens: 16, behind: 0) == nil)
    prefill.learn(sample(16, behind: 0, 1000, 0))
    #expect(prefill.nanoseconds(tokens: 16, behind: 0) != nil)
    for wrong in [sample(0, behind: 0, 1, 0), sample(-1, behind: 0, -9, 0)] {
      prefill.learn(wrong)
    }
    #expect(prefill.sampleCount == 16)
  }
}

@Suite("Trials")
struct TrialClockTests {
  @Test("The first is an interval away; they grow rarer until one finds the way faster")
  func intervals() {
    var path = PathEstimate(memoryCount: 4, memoryNanoseconds: 1000)
    func learn(_ nanoseconds: UInt64, _ now: UInt64) {
      for index in 0..<12 {
        path.learn(queuedBytes: 4096, nanoseconds: nanoseconds + UInt64(index), now: now)
      }
    }
    learn(1_000_000, 0)
    var clock = TrialClock(intervalNanoseconds: 100)
    var trials: [UInt64] = []
    for now in UInt64(0)..<1500 where clock.isDue(now: now, path) {
      trials.append(now)
      if trials.count < 4 { learn(1_000_000, now) }
      if trials.count == 4 { learn(1000, now) }
    }
    #expect(trials == [100, 200, 400, 800, 901, 1101, 1301])
    clock.reset()
    let isDue = clock.isDue(now: 1500, path)
    #expect(!isDue)
  }
}
