import CLinux
import Glibc

/// The thread that has the ring: starts transfers, continues short ones, and hands over what ended.
///
/// The kernel writes into a job's memory until its result was taken from the ring: no operation is
/// forgotten before that, whatever happens, and none is cancelled.
struct RingThread: ~Copyable {
  /// How many transfers may be with the device.
  struct Limits: Sendable {
    /// Of each kind.
    let reads: Int
    let writes: Int
    /// While a read is with the device as well: what it has to do first is a part of each read's
    /// time.
    let writesBesideReads: Int
    /// As much as one operation moves, in whole pages: less than the kernel's own limit.
    let pieceBytes: Int

    /// A quarter as many writes as reads, so that a read need not wait behind many.
    init(depth: Int, pieceBytes: Int) {
      reads = min(max(1, depth), 1024)
      writes = max(1, reads / 4)
      writesBesideReads = max(1, writes / 4)
      self.pieceBytes = pieceBytes
    }

    /// Of both kinds.
    var inFlight: Int { reads + writes }
  }

  private struct Operation {
    var job: DiskJob
    var doneBytes = 0
    /// Whether a thread of the kernel has it, since it could not be done without waiting.
    var isAsync = false
  }

  private let queue: RingQueue
  private let limits: Limits
  private var ring = clinux_ring()
  /// By token less 1; those in `freeTokens` are nil.
  private var operations: [Operation?]
  private var freeTokens: [Int]
  private var readCount = 0
  private var writeCount = 0
  private var isBellWatched = false
  /// Transfers that ended and are not handed over; empty between rounds.
  private var ended: [RingQueue.Ended] = []
  private var tokens: [UInt64]
  private var results: [Int32]

  private static let bellToken: UInt64 = 0

  /// A thread's state; the ring is not open yet.
  init(_ queue: RingQueue, _ limits: Limits) {
    self.queue = queue
    self.limits = limits
    operations = Array(repeating: nil, count: limits.inFlight)
    freeTokens = Array((1...limits.inFlight).reversed())
    tokens = Array(repeating: 0, count: limits.inFlight + 1)
    results = Array(repeating: 0, count: limits.inFlight + 1)
    ended.reserveCapacity(limits.inFlight)
  }

  private var canRead: Bool { readCount < limits.reads }
  private var canWrite: Bool {
    writeCount < (readCount > 0 ? limits.writesBesideReads : limits.writes)
  }

  /// Opens the ring and tells so, then serves until the queue is closed and nothing is left.
  consuming func run(_ start: RingStart) {
    // One more for the bell.
    let code = clinux_ring_open(&ring, UInt32(limits.inFlight + 1))
    start.tell(code)
    guard code == 0 else { return }
    while true {
      while let job = queue.take(canRead: canRead, canWrite: canWrite) { begin(job) }
      watchBell()
      if queue.hasEnded || !ended.isEmpty {
        // The device gets its work before this thread does its own.
        round(waits: false)
        if let next = queue.nextEnded() { next.job.complete(next.code) }
        continue
      }
      let rest = queue.rest(
        canRead: canRead, canWrite: canWrite, inFlightCount: readCount + writeCount)
      switch rest {
      case .none: continue
      case .sleep: round(waits: true)
      case .end:
        clinux_ring_close(&ring)
        return
      }
    }
  }

  // MARK: Rounds

  /// Hands over what was put on the ring, and takes the results.
  private mutating func round(waits: Bool) {
    let code = clinux_ring_enter(&ring, waits ? 1 : 0)
    if code != 0 && code != EINTR {
      // Short of memory: what is on the ring stays there, and is handed over the next time.
      usleep(Self.retryMicroseconds)
    }
    let count = clinux_ring_reap(&ring, &tokens, &results, Int32(tokens.count))
    for index in 0..<Int(count) {
      if tokens[index] == Self.bellToken {
        clinux_eventfd_drain(queue.bell)
        isBellWatched = false
      } else {
        took(results[index], of: Int(tokens[index]))
      }
    }
    guard !ended.isEmpty else { return }
    queue.add(ended)
    ended.removeAll(keepingCapacity: true)
  }

  private static let retryMicroseconds: UInt32 = 1_000

  private mutating func watchBell() {
    guard !isBellWatched else { return }
    var request = clinux_ring_request()
    request.operation = CLINUX_RING_POLL
    request.fd = queue.bell
    request.token = Self.bellToken
    isBellWatched = clinux_ring_put(&ring, &request) != 0
  }

  // MARK: Transfers

  private mutating func begin(_ job: DiskJob) {
    let code = job.prepare?() ?? 0
    guard code == 0, job.byteCount > 0 else {
      ended.append(RingQueue.Ended(job: job, code: code))
      // Handed over at the latest when as many as fit have come together.
      if ended.count == limits.inFlight { round(waits: false) }
      return
    }
    guard let token = freeTokens.popLast() else {
      preconditionFailure("more transfers than there are tokens")
    }
    if case .read = job.direction { readCount += 1 } else { writeCount += 1 }
    operations[token - 1] = Operation(job: job)
    put(token)
  }

  /// Puts what is left of an operation on the ring.
  private mutating func put(_ token: Int) {
    guard let operation = operations[token - 1] else { return }
    let job = operation.job
    var request = clinux_ring_request()
    request.operation = CLINUX_RING_READ
    request.fd = job.fd
    request.address = job.address.pointer + operation.doneBytes
    request.count = UInt32(min(job.byteCount - operation.doneBytes, limits.pieceBytes))
    request.offset = job.offset + Int64(operation.doneBytes)
    request.token = UInt64(token)
    if operation.isAsync { request.flags |= CLINUX_RING_ASYNC }
    if case .write(let flush) = job.direction {
      request.operation = CLINUX_RING_WRITE
      if flush { request.flags |= CLINUX_RING_SYNC }
    }
    // There is an entry for every token, and one for the bell.
    precondition(clinux_ring_put(&ring, &request) != 0, "the ring is full")
  }

  /// Goes by the result of an operation: it has ended, or is continued.
  private mutating func took(_ result: Int32, of token: Int) {
    guard var operation = operations[token - 1] else {
      preconditionFailure("a result of no operation")
    }
    var code: Int32?
    if result > 0 {
      operation.doneBytes += Int(result)
      if operation.doneBytes >= operation.job.byteCount { code = 0 }
    } else if result == 0 {
      code = EIO
    } else if result == -EINTR || result == -EAGAIN && !operation.isAsync {
      operation.isAsync = true
    } else {
      code = -result
    }
    guard let code else {
      operations[token - 1] = operation
      put(token)
      return
    }
    operations[token - 1] = nil
    freeTokens.append(token)
    if case .read = operation.job.direction { readCount -= 1 } else { writeCount -= 1 }
    ended.append(RingQueue.Ended(job: operation.job, code: code))
  }
}
