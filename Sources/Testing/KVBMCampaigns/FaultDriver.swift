import DiskTier
import Glibc
import KVLayout

/// Passes transfers on with a planted defect.
final class FaultDriver: DiskDriver {
  private let inner: any DiskDriver
  private let fault: CampaignFault

  var name: String { inner.name }

  init(_ inner: any DiskDriver, _ fault: CampaignFault) {
    self.inner = inner
    self.fault = fault
  }

  func shutdown() { inner.shutdown() }

  func submit(_ job: DiskJob) -> Bool {
    guard case .write(let flush) = job.direction else { return inner.submit(job) }
    var job = job
    switch fault {
    case .noFlush:
      job.direction = .write(flush: false)
      return inner.submit(job)
    case .shortWrite:
      job.byteCount = max(4096, job.byteCount / 2 / 4096 * 4096)
      return inner.submit(job)
    case .reportEarly, .headerFirst: break
    case .unflushedNames, .staleIndex, .trustHeader: return inner.submit(job)
    }
    let code = job.prepare?() ?? 0
    guard code == 0 else {
      job.complete(code)
      return true
    }
    // The slot's memory is its owner's again once the job is told to be complete.
    let copy = HeldMemory(copying: job.address.pointer, byteCount: job.byteCount)
    let headBytes = fault == .headerFirst ? 4096 : 0
    func part(_ first: Int, _ end: Int, flush: Bool) -> DiskJob {
      DiskJob(
        direction: .write(flush: flush), fd: job.fd, offset: job.offset + Int64(first),
        address: SlotAddress(copy.base + first), byteCount: end - first,
        prepare: {
          usleep(first == 0 && headBytes > 0 ? 0 : 2_000)
          return 0
        }, complete: { _ in withExtendedLifetime(copy) {} })
    }
    let rest = part(headBytes, job.byteCount, flush: flush && headBytes == 0)
    if headBytes > 0 {
      let complete = job.complete
      var head = part(0, headBytes, flush: flush)
      let inner = inner
      head.complete = { code in
        _ = inner.submit(rest)
        complete(code)
      }
      return inner.submit(head)
    }
    guard inner.submit(rest) else { return false }
    job.complete(0)
    return true
  }
}

/// Page-aligned memory that lives as long as somebody holds it.
final class HeldMemory: @unchecked Sendable {
  /// The first byte.
  let base: UnsafeMutableRawPointer

  /// Zeroed bytes.
  init(byteCount: Int) {
    base = .allocate(byteCount: byteCount, alignment: 4096)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  /// Bytes like these.
  init(copying bytes: UnsafeRawPointer, byteCount: Int) {
    base = .allocate(byteCount: byteCount, alignment: 4096)
    base.copyMemory(from: bytes, byteCount: byteCount)
  }

  deinit { base.deallocate() }
}
