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
/// 1. Scans the disk's extents, oldest first, one a round. 2. Keeps some slots free or cached ahead
/// of need in every class that an engine uses, as far as capacity and headroom go. 3. Takes extents
/// from classes that no engine uses when there is nothing else to take.
final class ExtentKeeper: @unchecked Sendable {
  private let core: NodeCore
  private let headroom = MemoryHeadroom()
  private let bell = clinux_eventfd()
  private let isStopping = Atomic<Bool>(false)
  private let isStarved = Atomic<Bool>(false)
  private var thread: pthread_t?
  private let waiters = Mutex<[Waiter]>([])
  /// Extents of earlier runs whose headers are unread.
  private var unscanned: [DiskExtent] = []
  private var hasScanned = false
  private var scannedBlockCount = 0

  private struct Waiter: Sendable {
    let classIDs: [ClassID]
    let body: @Sendable () -> Void
  }

  /// A keeper whose thread is not started yet.
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

  /// Has the thread look soon if a class needs slots, unless there were none to have a moment ago:
  /// then it looks again by itself, once a second.
  func wakeIfNeeded() {
    guard !isStarved.load(ordering: .relaxed) else { return }
    if core.hostNeed() != nil || core.diskNeed() != nil { wake() }
  }

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
      let hasNeed = core.hostNeed() != nil || core.diskNeed() != nil
      isStarved.store(!hasMore && hasNeed, ordering: .relaxed)
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
      core.note(
        shortfall: "the host tier stops at \(ByteSize(bytes: need.populatedBytes)) of "
          + "\(ByteSize(bytes: core.configuration.hostCapacityBytes)): less memory is left than "
          + "its reserve of \(ByteSize(bytes: reserve))", of: .host)
      return false
    }
    do throws(HostTierError) {
      try need.memory.populate(extent: need.extent)
      core.addHostExtent(need.classID, need.extent)
      core.note(shortfall: nil, of: .host)
      return true
    } catch {
      core.note(shortfall: "the host tier cannot grow: \(error)", of: .host)
      return false
    }
  }

  private func growDisk() -> Bool {
    // A class whose extents are not all scanned may have free slots in them.
    guard let store = core.store, let need = core.diskNeed(),
      !unscanned.contains(where: { $0.slotBytes == need.slotBytes })
    else { return false }
    do throws(DiskTierError) {
      let extent = try store.createExtent(slotBytes: need.slotBytes)
      guard core.addDiskExtent(need.classID, extent) else {
        try store.deleteExtent(extent)
        core.note(shortfall: "the disk tier's slot numbers are used up", of: .disk)
        return false
      }
      core.note(shortfall: nil, of: .disk)
      return true
    } catch {
      if case .full(_, _, fileSystem: false) = error {
        // What is not scanned yet has no class that it could be taken from.
        return hasScanned && core.reclaimIdleDiskExtent(for: need.classID)
      }
      core.note(shortfall: "the disk tier cannot grow: \(error)", of: .disk)
      return false
    }
  }
}
