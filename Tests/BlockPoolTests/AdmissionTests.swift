import BlockIdentity
import BlockPolicy
import Testing

@Suite("Admission")
struct AdmissionTests {
  private func candidate(_ number: Int, bytes: Int = 1, at now: UInt64 = 0) -> AdmissionCandidate {
    // Any bits of a key serve as a hash.
    let low = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
    return AdmissionCandidate(key: BlockKey(high: UInt64(number), low: low), bytes: bytes, now: now)
  }

  @Test("Every policy has a name, and everything is admitted by AdmitAll")
  func names() {
    #expect(AdmissionChoice(rawValue: "seen-twice") == .seenTwice)
    #expect(AdmissionChoice(rawValue: "priority:60") == .priority(60))
    for name in ["twice", "", "priority:", "priority:0", "priority:101", "priority:060"] {
      #expect(AdmissionChoice(rawValue: name) == nil, "\(name)")
    }
    for choice in [AdmissionChoice.all, .seenTwice, .priority(1), .priority(100)] {
      #expect(AdmissionChoice(rawValue: choice.rawValue) == choice)
    }
    var all = AdmissionChoice.all.makePolicy()
    var twice = AdmissionChoice.seenTwice.makePolicy()
    let (first, second) = (all.admits(candidate(0)), twice.admits(candidate(0)))
    #expect(first && !second)
  }

  @Test("A block comes in that is called worth as much as the threshold, and none that is not")
  func priority() {
    var policy = AdmissionChoice.priority(60).makePolicy()
    for priority in 0...100 {
      let candidate = AdmissionCandidate(
        key: BlockKey(high: 1, low: 1), bytes: 1, priority: priority, now: 0)
      let isAdmitted = policy.admits(candidate)
      #expect(isAdmitted == (priority >= 60), "\(priority)")
    }
  }

  @Test("A key is admitted from its second sight on")
  func seenTwice() {
    var policy = SeenTwice(capacity: 1 << 12)
    for round in 0..<3 {
      for number in 0..<1_000 {
        let isAdmitted = policy.admits(candidate(number))
        #expect(isAdmitted == (round > 0), "\(number), round \(round)")
      }
    }
  }

  @Test("Of as many keys as it remembers the latest are known, and the earliest are forgotten")
  func forgets() {
    var policy = SeenTwice(capacity: 8)
    for number in 0..<8 { _ = policy.admits(candidate(number)) }
    // Its use makes it the latest; then one comes that is new, and 1 has to go.
    let (isKnown, isNewKnown) = (policy.admits(candidate(0)), policy.admits(candidate(8)))
    #expect(isKnown && !isNewKnown)
    let known = [0, 2, 3, 4, 5, 6, 7, 8].map { policy.admits(candidate($0)) }
    #expect(known.allSatisfy { $0 })
    let isForgotten = !policy.admits(candidate(1))
    #expect(isForgotten)
  }

  @Test("A budget begins empty, earns with time, and holds what an hour brings")
  func budget() {
    let (second, hour) = (1_000_000_000 as UInt64, 3_600_000_000_000 as UInt64)
    // A thousand bytes a second.
    var budget = WriteBudget(bytesPerDay: 86_400_000)
    func write(_ bytes: Int, at now: UInt64) -> Bool {
      budget.admits(candidate(0, bytes: bytes, at: now))
    }
    let start = 5 * second
    #expect(!write(1, at: start))
    #expect(write(1_000, at: start + second))
    #expect(!write(1, at: start + second))
    #expect(!write(2_001, at: start + 3 * second))
    #expect(write(2_000, at: start + 3 * second))
    // A long quiet saves up for an hour, and no more.
    let later = start + 100 * hour
    #expect(write(3_600_000, at: later))
    #expect(!write(1, at: later))
    var begun = WriteBudget(bytesPerDay: 86_400_000)
    begun.begin(at: start)
    begun.begin(at: later)
    let isPaid = begun.admits(candidate(0, bytes: 1_000, at: start + second))
    #expect(isPaid)
  }

  @Test("A block larger than what the bucket holds comes in when it is full, and is paid for after")
  func largeBlock() {
    var budget = WriteBudget(bytesPerDay: 86_400_000_000_000, burstNanoseconds: 100)
    func write(_ bytes: Int, at now: UInt64) -> Bool {
      budget.admits(candidate(0, bytes: bytes, at: now))
    }
    #expect(!write(250, at: 1_000))
    #expect(!write(250, at: 1_099))
    #expect(write(250, at: 1_100))
    // 150 are owed.
    #expect(!write(1, at: 1_250))
    #expect(write(1, at: 1_251))
  }

  @Test("Over any span no more is admitted than it earns and the bucket holds", arguments: 1...4)
  func window(seed: Int) {
    var budget = WriteBudget(bytesPerDay: 86_400_000_000_000 / 4, burstNanoseconds: 4_000)
    var state = UInt64(seed)
    func below(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var now: UInt64 = 1
    var writes: [(time: UInt64, bytes: Int)] = []
    for _ in 0..<2_000 {
      now += below(300)
      let bytes = Int(1 + below(200))
      guard budget.admits(candidate(0, bytes: bytes, at: now)) else { continue }
      writes.append((now, bytes))
      var sum = 0
      for write in writes.reversed() {
        sum += write.bytes
        // Four nanoseconds a byte.
        #expect(UInt64(sum) * 4 <= 4_000 + now - write.time)
      }
    }
    let total = writes.reduce(0) { $0 + $1.bytes }
    #expect(UInt64(total) * 4 > now * 9 / 10, "what was earned was given")
  }
}
