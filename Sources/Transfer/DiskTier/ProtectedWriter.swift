import CLinux
import Glibc
import KVLayout
import Protection

/// Makes the protected form of blocks that are to be written, on a thread of its own and in memory
/// of its own: host memory stays as it is, for engines load from it meanwhile.
///
/// 1. The thread starts with it. 2. Writes wait in one bounded queue; a few at a time are made and
/// given to the driver. 3. `close` has all of them written, as far as the driver takes them, and
/// ends the thread; without that it ends with the last reference.
final class ProtectedWriter: Sendable {
  /// A block that is to be written.
  struct Write: Sendable {
    /// Where the block is; pinned until `complete`.
    let block: SlotAddress
    /// What it is; its write sequence is set.
    let description: SlotDescription
    /// The file, and where in it.
    let extent: DiskExtent
    let offset: Int64
    /// Whether it is flushed to the device before it counts.
    let flush: Bool
    /// Runs once, with 0 or the errno, on a thread of the driver or on this one.
    let complete: @Sendable (Int32) -> Void
  }

  private let work: ProtectedWork
  private let threads = ThreadGroup()

  /// Starts the thread, with room for `queueLimit` waiting writes.
  ///
  /// - Throws: `system` when there is no thread.
  init(
    _ protector: Protector, _ driver: any DiskDriver, queueLimit: Int
  ) throws(DiskTierError) {
    work = ProtectedWork(protector, driver, queueLimit: queueLimit)
    let code = threads.start(name: "kvbm-protect") { [work] in work.run() }
    guard code == 0 else {
      throw .system(call: "pthread_create", path: "kvbm-protect", errno: code)
    }
  }

  deinit { close() }

  /// Takes a write unless the queue is full or closed: then `complete` does not run.
  func add(_ write: Write) -> Bool { work.add(write) }

  /// Takes no more, and hands all that it has to the driver before it returns.
  func close() {
    work.close()
    threads.join()
  }
}

/// What the thread and its callers share.
private final class ProtectedWork: @unchecked Sendable {
  private let protector: Protector
  private let driver: any DiskDriver
  private let condition = Condition()
  /// Guarded by `condition`, as is all that follows.
  private var writes: Fifo<ProtectedWriter.Write>
  private let limit: Int
  private var isClosed = false
  /// Slots that are made or with the driver.
  private var madeCount = 0
  /// Memory of slots that were written, for the next ones of the same size.
  private var spare: [AlignedBuffer] = []

  /// As many as keep a device busy; each costs a slot's memory.
  private static let madeLimit = 8

  init(_ protector: Protector, _ driver: any DiskDriver, queueLimit: Int) {
    self.protector = protector
    self.driver = driver
    limit = max(1, queueLimit)
    writes = Fifo(limit: limit)
  }

  func add(_ write: ProtectedWriter.Write) -> Bool {
    condition.withLock {
      guard !isClosed, writes.count < limit else { return false }
      writes.append(write)
      condition.signal()
      return true
    }
  }

  func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
    }
  }

  func run() {
    while let (write, spare) = next() { begin(write, spare) }
  }

  /// The write that is next, and memory for it if there is some; waits until there may be one more.
  private func next() -> (ProtectedWriter.Write, AlignedBuffer?)? {
    condition.withLock {
      while true {
        if madeCount < Self.madeLimit, let write = writes.next() {
          madeCount += 1
          let bytes = write.extent.slotBytes
          let index = spare.firstIndex { $0.bytes.count == bytes }
          return (write, index.map { spare.remove(at: $0) })
        }
        if isClosed && writes.count == 0 { return nil }
        condition.wait()
      }
    }
  }

  private func begin(_ write: ProtectedWriter.Write, _ spare: AlignedBuffer?) {
    let slotBytes = write.extent.slotBytes
    let memory = spare ?? AlignedBuffer(count: slotBytes)
    guard DiskStore.holds(write.description, at: write.block.pointer) else {
      return end(write, memory, DiskStore.otherBlock)
    }
    guard protector.protect(write.block.pointer, into: memory.address, write.description) else {
      return end(write, memory, ENOMEM)
    }
    let job = DiskJob(
      direction: .write(flush: write.flush), fd: write.extent.file.fd, offset: write.offset,
      address: SlotAddress(memory.address), byteCount: slotBytes
    ) { [self] code in end(write, memory, code) }
    if !driver.submit(job) { end(write, memory, EBUSY) }
  }

  private func end(_ write: ProtectedWriter.Write, _ memory: AlignedBuffer, _ code: Int32) {
    write.complete(code)
    condition.withLock {
      madeCount -= 1
      if spare.count == Self.madeLimit { spare.removeFirst() }
      spare.append(memory)
      condition.signal()
    }
  }
}
