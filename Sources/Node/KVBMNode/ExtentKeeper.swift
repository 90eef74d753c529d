import BlockEngine
import BlockIdentity
import CLinux
import DiskTier
import Glibc
import HostTier
import Synchronization

/// Brings memory and disk space into use, on a thread of its own: populating and scanning take time
/// that no request should wait for.
///
/// 1. Scans the disk's extents, oldest first, one a round. 2. Keeps some slots free or cached ahead of need in
/// every class that an engine uses, as far as capacity and headroom go. 3. Takes extents from classes
/// that no engine uses when there is nothing else to take.
final class ExtentKeeper: @unchecked Sendable {
  private let core: NodeCore
  private let headroom = MemoryHeadroom()
  private let bell = clinux_eventfd()
  private let isStopping = Atomic<Bool>(false)
  private var thread: pthread_t?
  private let waiters = Mutex<[Waiter]>([])
  /// Extents of earlier runs whose headers are unread.
  private var unscanned: [DiskExtent] = []
  private var hasScanned = false
  private var scannedBlockCount = 0
  /// Said once, not at every attempt.
  private var complaints: Set<String> = []

  private struct Waiter: Sendable {
    let classIDs: [ClassID]
    let body: @Sendable () -> Void
  }

  init(_ core: NodeCore) { self.core = core }

  deinit { close(bell) }

  /// Starts the thread; false when the system gives none.
  func start() -> Bool {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let status = pthread_create(
      &thread, nil,
      { context in
        let keeper = Unmanaged<ExtentKeeper>.fromOpaque(context!).takeRetainedValue()
        _ = clinux_set_thread_name("kvbm-extents")
        keeper.run()
        return nil
      }, context.toOpaque())
    guard status == 0 else {
      context.release()
      return false
    }
    self.thread = thread
    return true
  }

  /// Has the thread look soon.
  func wake() { clinux_eventfd_signal(bell) }

  /// Ends the thread after what it is doing.
  func stop() {
    isStopping.store(true, ordering: .relaxed)
    wake()
    if let thread { pthread_join(thread, nil) }
    thread = nil
    waiters.withLock { $0 = [] }
  }

  // MARK: Rounds

  private func run() {
    unscanned = core.store?.extents ?? []
    while !isStopping.load(ordering: .relaxed) {
      var hasMore = scanNext()
      hasMore = growHost() || hasMore
      hasMore = growDisk() || hasMore
      releaseWaiters(hasMore: hasMore)
      var watch = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
      if poll(&watch, 1, hasMore ? 0 : 1_000) > 0 { clinux_eventfd_drain(bell) }
    }
  }

  /// Calls `body` on this thread once the classes have their first slots in all tiers, or cannot
  /// have any now.
  func whenUsable(_ classIDs: [ClassID], _ body: @escaping @Sendable () -> Void) {
    waiters.withLock { $0.append(Waiter(classIDs: classIDs, body: body)) }
    wake()
  }

  private func releaseWaiters(hasMore: Bool) {
    let usable = waiters.withLock { waiters in
      let usable = waiters.filter { waiter in
        !hasMore || waiter.classIDs.allSatisfy(core.isUsable)
      }
      waiters.removeAll { waiter in !hasMore || waiter.classIDs.allSatisfy(core.isUsable) }
      return usable
    }
    for waiter in usable { waiter.body() }
  }

  // MARK: Disk scan

  /// Scans one extent; false when there is none left.
  private func scanNext() -> Bool {
    guard let store = core.store, !hasScanned else { return false }
    if let extent = unscanned.first {
      unscanned.removeFirst()
      let scan = store.scan(extent)
      scannedBlockCount += core.adopt(extent, scan)
      if scan.damagedCount + scan.unreadableCount > 0 {
        NodeLog.warning(
          "\(extent.path): \(scan.damagedCount) slots with a damaged header, "
            + "\(scan.unreadableCount) unreadable")
      }
      return true
    }
    core.finishScan()
    hasScanned = true
    NodeLog.info("disk \(store.directory): \(scannedBlockCount) blocks are known from before")
    return true
  }

  // MARK: Growth

  private func growHost() -> Bool {
    guard let need = core.hostNeed() else { return false }
    let extentBytes = need.memory.extentBytes
    guard need.populatedBytes + extentBytes <= core.configuration.hostCapacityBytes else {
      return core.reclaimIdleHostExtent(for: need.classID)
    }
    let reserve = core.configuration.hostReserveBytes
    guard headroom.availableBytes(reserveBytes: reserve) >= extentBytes else {
      complain(
        "the host tier stops at \(ByteSize(bytes: need.populatedBytes)) of "
          + "\(ByteSize(bytes: core.configuration.hostCapacityBytes)): less memory is left than "
          + "its reserve of \(ByteSize(bytes: reserve))")
      return false
    }
    do throws(HostTierError) {
      try need.memory.populate(extent: need.extent)
      core.addHostExtent(need.classID, need.extent)
      return true
    } catch {
      complain("the host tier cannot grow: \(error)")
      return false
    }
  }

  private func growDisk() -> Bool {
    guard let store = core.store, let need = core.diskNeed() else { return false }
    do throws(DiskTierError) {
      core.addDiskExtent(need.classID, try store.createExtent(slotBytes: need.slotBytes))
      return true
    } catch {
      if case .full(_, _, fileSystem: false) = error {
        // What is not scanned yet has no class that it could be taken from.
        return hasScanned && core.reclaimIdleDiskExtent(for: need.classID)
      }
      complain("the disk tier cannot grow: \(error)")
      return false
    }
  }

  private func complain(_ text: String) {
    // The figures differ from time to time; the beginning says what it is about.
    if complaints.insert(String(text.prefix(28))).inserted { NodeLog.warning(text) }
  }
}
