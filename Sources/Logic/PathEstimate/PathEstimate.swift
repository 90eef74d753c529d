/// How long a way between two tiers takes, learnt from what goes over it.
///
/// A transfer's time, from when it is decided to its report, says little of the device while others
/// are under way. So it is held against the *queue*: the bytes that were on the way when it was
/// decided, its own included. Drivers work first in, first out, so a transfer ends when all before
/// it and itself have moved: time = fixed + queue / speed. The same formula, with the queue of now
/// and the bytes that are to be added, says when the last block of a prefix will be there, which is
/// what a waiting request wants to know.
///
/// 1. `begin` counts bytes into the queue. 2. `end` counts them out. 3. `learn` takes in what one
/// transfer has taught. Nothing is known before `sampleCountMin` of them.
public struct PathEstimate: Sendable {
  /// So many transfers are seen before anything is said; the slowest of them is left out.
  public static let sampleCountMin = 6
  /// One that is so many times slower or faster than expected counts as if it were just that: a
  /// hiccup is not believed, and what has really changed is believed after a few.
  public static let surpriseMax = 4.0

  /// What was learnt from, in all.
  public private(set) var sampleCount = 0
  /// Bytes that are on the way.
  public private(set) var queuedBytes = 0

  private var fit = FadingFit()
  private var first: [Sample] = []
  private var lastSample: UInt64 = 0
  /// Of the latest queues.
  private var meanBytes = 0.0
  /// How many transfers the memory is long, and after how many nanoseconds without any it halves.
  private let memoryCount: Double
  private let memoryNanoseconds: Double

  private struct Sample {
    let bytes: Double
    let nanoseconds: Double
  }

  /// A way of which nothing is known.
  ///
  /// - Parameters:
  ///   - memoryCount: About so many of the latest transfers count, positive.
  ///   - memoryNanoseconds: What is older than this counts half at most, positive.
  public init(memoryCount: Int, memoryNanoseconds: UInt64) {
    self.memoryCount = Double(max(1, memoryCount))
    self.memoryNanoseconds = Double(max(1, memoryNanoseconds))
  }

  /// Whether there is anything to go by.
  public var isKnown: Bool { sampleCount >= Self.sampleCountMin }

  /// What a transfer costs however small it is; 0 while nothing is known.
  public var fixedNanoseconds: Double { fit.b }

  /// What each byte of a queue costs; 0 while nothing is known.
  public var nanosecondsPerByte: Double { fit.a }

  /// A transfer is on its way.
  ///
  /// - Returns: The queue with it, for `learn`.
  public mutating func begin(bytes: Int) -> Int {
    queuedBytes += bytes
    return queuedBytes
  }

  /// It is on its way no more, whatever became of it.
  public mutating func end(bytes: Int) { queuedBytes -= bytes }

  /// Until so many more bytes have arrived, behind all that is on the way; nil while nothing is
  /// known.
  public func nanoseconds(adding bytes: Int) -> Double? {
    isKnown ? expected(Double(queuedBytes + bytes)) : nil
  }

  /// What a transfer with that queue was expected to take in all; nil while nothing is known.
  public func nanoseconds(ofQueue bytes: Int) -> Double? {
    isKnown ? expected(Double(bytes)) : nil
  }

  /// A transfer has succeeded after so long.
  ///
  /// - Parameter queuedBytes: What `begin` said.
  public mutating func learn(queuedBytes: Int, nanoseconds: UInt64, now: UInt64) {
    let sample = Sample(bytes: Double(queuedBytes), nanoseconds: Double(max(1, nanoseconds)))
    let age = Double(max(now, lastSample) - lastSample)
    lastSample = max(now, lastSample)
    sampleCount += 1
    guard sampleCount >= Self.sampleCountMin else { return first.append(sample) }
    if sampleCount == Self.sampleCountMin {
      first.append(sample)
      return begin()
    }
    fit.fade(by: (1 - 1 / memoryCount) / (1 + age / memoryNanoseconds))
    let expected = expected(sample.bytes)
    let surprise = Self.surpriseMax
    meanBytes += (sample.bytes - meanBytes) / memoryCount
    fit.add(
      u: sample.bytes, v: 1,
      y: min(max(sample.nanoseconds, expected / surprise), expected * surprise),
      weight: weight(sample.bytes))
  }

  /// Errors count about in proportion to the time: of a short transfer a small one matters as much
  /// as a large one of a long transfer. Not to the time itself, or a way that has become slow would
  /// be known by its fast days for long.
  private func weight(_ bytes: Double) -> Double {
    let size = 1 + bytes / max(1, meanBytes)
    return 1 / (size * size)
  }

  /// What was learnt so far counts less: a trial is about to show whether it still holds.
  public mutating func doubt() { fit.fade(by: 0.25) }

  private func expected(_ bytes: Double) -> Double { max(1, fit.value(u: bytes, v: 1)) }

  /// All that was seen first, but for the one that took the longest for what it was: a cold start.
  private mutating func begin() {
    meanBytes = first.reduce(0) { $0 + $1.bytes } / Double(first.count)
    let slowness = first.map { $0.nanoseconds / (1 + $0.bytes / max(1, meanBytes)) }
    let slowest = slowness.indices.max { slowness[$0] < slowness[$1] }
    for (index, sample) in first.enumerated() where index != slowest {
      fit.add(u: sample.bytes, v: 1, y: sample.nanoseconds, weight: weight(sample.bytes))
    }
    first = []
  }
}
