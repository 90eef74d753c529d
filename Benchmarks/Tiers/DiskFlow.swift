import DiskTier
import Glibc
import KVLayout
import Synchronization

/// Keeps a number of transfers going through a driver for a while, at places in random order.
final class DiskFlow: @unchecked Sendable {
  /// What came of it.
  struct Result {
    /// Bytes that were moved.
    var bytes = 0
    /// From the first transfer's beginning to the last one's end.
    var seconds = 0.0
    /// Processor time of this process.
    var cpuSeconds = 0.0
    /// How long each transfer took, in seconds.
    var latencies: [Double] = []
    /// The errno of the last transfer that failed; 0 when none did.
    var errno: Int32 = 0

    /// Bytes a nanosecond.
    var gbps: Double { seconds > 0 ? Double(bytes) / seconds / 1e9 : 0 }
    /// Nanoseconds of a processor for each KiB.
    var cpuPerKib: Double { bytes > 0 ? cpuSeconds * 1e9 / (Double(bytes) / 1024) : 0 }

    /// So many hundredths of the transfers took no longer, in milliseconds.
    func percentile(_ hundredths: Int) -> Double {
      let sorted = latencies.sorted()
      guard !sorted.isEmpty else { return 0 }
      return sorted[min(sorted.count - 1, sorted.count * hundredths / 100)] * 1e3
    }
  }

  private struct State {
    var result = Result()
    var laneCount = 0
    var random: UInt64 = 0x2545_F491_4F6C_DD1D
  }

  private let driver: any DiskDriver
  private let file: BenchFile
  private let direction: DiskJob.Direction
  private let slotBytes: Int
  private let slots: Range<Int>
  private let region: Region
  private let state = Mutex(State())
  private let hasEnded = Mutex(false)
  private let endsAt: Double

  /// Begins `laneCount` transfers of `slotBytes`; each is followed by another until the time is
  /// over. Nil when there is no memory.
  init?(
    _ driver: any DiskDriver, _ file: BenchFile, _ direction: DiskJob.Direction, slotBytes: Int,
    part: ClosedRange<Double> = 0...1, laneCount: Int, seconds: Double
  ) {
    guard let region = Region(laneCount * slotBytes) else { return nil }
    self.driver = driver
    self.file = file
    self.direction = direction
    self.slotBytes = slotBytes
    self.region = region
    let all = Double(file.byteCount / slotBytes)
    slots = Int(part.lowerBound * all)..<Int(part.upperBound * all)
    endsAt = Machine.seconds + seconds
    startedAt = Machine.seconds
    cpuAtStart = Machine.cpuSeconds
    state.withLock { $0.laneCount = laneCount }
    for lane in 0..<laneCount { begin(lane) }
  }

  private let startedAt: Double
  private let cpuAtStart: Double

  private func begin(_ lane: Int) {
    let slot = state.withLock { state in
      state.random ^= state.random << 13
      state.random ^= state.random >> 7
      state.random ^= state.random << 17
      return slots.lowerBound + Int(state.random % UInt64(slots.count))
    }
    let begun = Machine.seconds
    let isTaken = driver.submit(
      DiskJob(
        direction: direction, fd: file.fd, offset: Int64(slot * slotBytes),
        address: SlotAddress(region.base + lane * slotBytes), byteCount: slotBytes
      ) { [self] code in ended(lane, code, begun) })
    if !isTaken { leave(EAGAIN) }
  }

  private func ended(_ lane: Int, _ code: Int32, _ begun: Double) {
    let now = Machine.seconds
    state.withLock { state in
      state.result.latencies.append(now - begun)
      if code == 0 { state.result.bytes += slotBytes }
    }
    if code != 0 || now >= endsAt { leave(code) } else { begin(lane) }
  }

  private func leave(_ code: Int32) {
    let isLast = state.withLock { state in
      state.laneCount -= 1
      if code != 0 { state.result.errno = code }
      if state.laneCount == 0 {
        state.result.seconds = Machine.seconds - startedAt
        state.result.cpuSeconds = Machine.cpuSeconds - cpuAtStart
      }
      return state.laneCount == 0
    }
    if isLast { hasEnded.withLock { $0 = true } }
  }

  /// Waits for the end.
  func wait() -> Result {
    while !hasEnded.withLock({ $0 }) { usleep(1_000) }
    return state.withLock { $0.result }
  }
}
