import DiskTier
import Glibc
import KVBMTesting
import Synchronization

/// A driver that does what devices do on bad days: it tears, fails, lies and dawdles, by seed.
final class FaultyDriver: DiskDriver {
  enum Fault: Hashable, Sendable {
    /// Nothing is moved; the errno is reported.
    case error(Int32)
    /// Only so many bytes are moved, and an error is reported.
    case torn(Int)
    /// Only so many bytes are moved, and success is reported.
    case lie(Int)
    /// The job is late, by microseconds.
    case late(UInt32)
  }

  var name: String { inner.name }
  private let inner: any DiskDriver
  private let next: Mutex<@Sendable (DiskJob) -> Fault?>

  init(_ inner: any DiskDriver, _ next: @escaping @Sendable (DiskJob) -> Fault?) {
    self.inner = inner
    self.next = Mutex(next)
  }

  /// Faults at random: one job in `rate` has one.
  convenience init(_ inner: any DiskDriver, seed: UInt64, rate: Int) {
    let state = Mutex(Random(seed: seed))
    self.init(inner) { job in
      state.withLock { generator in
        guard Int.random(in: 0..<rate, using: &generator) == 0 else { return nil }
        let part = Int.random(in: 0..<job.byteCount / 4096, using: &generator) * 4096
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: return .error(EIO)
        case 1: return .error(ENOSPC)
        case 2: return .torn(part)
        case 3: return .lie(part)
        default: return .late(UInt32.random(in: 0...3000, using: &generator))
        }
      }
    }
  }

  func set(_ fault: Fault?) { next.withLock { $0 = { _ in fault } } }

  func submit(_ job: DiskJob) -> Bool {
    var job = job
    let prepare = job.prepare
    let complete = job.complete
    switch next.withLock({ $0(job) }) {
    case nil: break
    case .error(let code):
      job.prepare = {
        let prepared = prepare?() ?? 0
        return prepared == 0 ? code : prepared
      }
    case .torn(let count):
      job.byteCount = count
      job.complete = { code in complete(code == 0 ? EIO : code) }
    case .lie(let count): job.byteCount = count
    case .late(let microseconds):
      job.prepare = {
        usleep(microseconds)
        return prepare?() ?? 0
      }
    }
    return inner.submit(job)
  }

  func shutdown() { inner.shutdown() }
}
