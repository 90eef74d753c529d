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
/// 1. Scans the disk's extents, oldest first, one a round. 2. Keeps some slots free ahead of need
/// in every class that an engine uses, as far as capacity and headroom go. 3. When there is nothing
/// else to take, moves extents from class to class, one a round, as `ExtentBalance` says. 4. Gives
/// host memory back when the machine or the cgroup runs short.
final class ExtentKeeper: @unchecked Sendable {
  private let core: NodeCore
  private let availableBytes: @Sendable () -> Int
  private let bell = clinux_eventfd()
  private let isStopping = Atomic<Bool>(false)
  private let isStarved = Atomic<Bool>(false)
  private var thread: pthread_t?
  private let waiters = Mutex<[Waiter]>([])
  /// Extents of earlier runs whose headers are unread.
  private var unscanned: [DiskExtent] = []
  private var hasScanned = false
  private var scannedBlockCount = 0
  private var otherVersionCount = 0
  private var unusable = UnusableSlots()
  /// When the scan's progress is said again.
  private var nextProgress: Time?
  /// When the next extent may change its class, by tier.
  private var nextMove: [Tier: Time] = [:]
  /// Whether several classes shared a tier when one of them was in need the last time.
  private var isContended = false
  /// Bytes that were taken from one class and not yet given to another.
  private var movingBytes = 0
  /// Until when the disk's file system counts as full.
  private var diskFullUntil = Time(nanoseconds: 0)

  private struct Waiter: Sendable {
    let classIDs: [ClassID]
    let body: @Sendable () -> Void
  }

  /// A keeper whose thread is not started yet.
  ///
  /// - Parameter availableBytes: How much memory may be taken; what the kernel says unless given.
  init(_ core: NodeCore, availableBytes: (@Sendable () -> Int)? = nil) {
    self.core = core
    let headroom = MemoryHeadroom(root: core.configuration.systemRoot)
    self.availableBytes = availableBytes ?? { headroom.availableBytes() }
  }

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
  /// then it looks again by itself.
  func wakeIfNeeded() {
    guard !isStarved.load(ordering: .relaxed) else { return }
    if core.hasNeed { wake() }
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
      isContended = false
      var hasMore = scanNext()
      hasMore = balanceHost() || hasMore
      hasMore = balanceDisk() || hasMore
      releaseWaiters(hasMore: hasMore)
      isStarved.store(!hasMore && core.hasNeed, ordering: .relaxed)
      var watch = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
      let pause = hasMore ? 0 : isContended ? Self.moveMilliseconds : Self.idleMilliseconds
      if poll(&watch, 1, pause) > 0 { clinux_eventfd_drain(bell) }
    }
  }

  /// How often the thread looks by itself; and while classes compete, for no more than one extent
  /// of a tier changes its class in that time.
  private static let idleMilliseconds: Int32 = 1_000
  private static let moveMilliseconds: Int32 = 100

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
      if scan.source == .headersAgainstSnapshot {
        NodeLog.warning("\(extent.path): the index that the last run left is wrong; slots count")
      }
      sayProgress(store)
      if scan.damagedCount + scan.unreadableCount > 0 {
        NodeLog.warning(
          "\(extent.path): \(scan.damagedCount) slots with a damaged header, "
            + "\(scan.unreadableCount) unreadable")
      }
      unusable.add(scan)
      otherVersionCount +=
        scan.occupiedSlots.count - scan.unreadableCount - scan.lockedCounts.values.reduce(0, +)
      return true
    }
    core.finishScan()
    hasScanned = true
    NodeLog.info("disk \(store.directory): \(scannedBlockCount) blocks are known from before")
    if otherVersionCount > 0 {
      NodeLog.warning(
        "disk \(store.directory): \(otherVersionCount) slots of another version are left alone")
    }
    for line in unusable.lines { NodeLog.warning("disk \(store.directory): \(line)") }
    return true
  }

  /// Says now and then how far a long scan is.
  private func sayProgress(_ store: DiskStore) {
    let now = Clock.now
    guard let next = nextProgress else {
      nextProgress = now + Self.progressNanoseconds
      return
    }
    guard now >= next, !unscanned.isEmpty else { return }
    nextProgress = now + Self.progressNanoseconds
    let total = store.extents.count
    NodeLog.info(
      "disk \(store.directory): \(max(0, total - unscanned.count)) of \(total) extents are "
        + "scanned, \(scannedBlockCount) blocks so far")
  }

  private static let progressNanoseconds: UInt64 = 2_000_000_000

  // MARK: Moves

  /// Whether an extent of the tier may change its class now. A class that has nothing need not
  /// wait: an engine waits for it to have something.
  private func mayMove(_ tier: Tier, to share: ExtentBalance.Share?) -> Bool {
    return share?.heldBytes == 0 || nextMove[tier].map { Clock.now >= $0 } ?? true
  }

  private func noteMove(_ tier: Tier) {
    nextMove[tier] = Clock.now + UInt64(Self.moveMilliseconds) * 1_000_000
  }

  /// Bytes that headroom allows beyond the reserve, less what the tier will cost by itself; below 0
  /// when the reserve is touched.
  private func hostHeadroom() -> Int {
    availableBytes() - core.configuration.hostReserveBytes - core.hostOverheadBytes
  }

  private func balanceHost() -> Bool {
    let shares = core.hostShares()
    let populatedBytes = shares.reduce(0) { $0 + $1.heldBytes }
    guard populatedBytes > 0 || shares.contains(where: { $0.isInNeed }) else { return false }
    let capacityBytes = core.configuration.hostCapacityBytes - populatedBytes
    let headroomBytes = hostHeadroom()
    if headroomBytes < -core.configuration.hostReserveBytes / 2, populatedBytes > 0 {
      return shrinkHost(shares, headroomBytes, populatedBytes)
    }
    noteHeadroom(shares, capacityBytes, headroomBytes, populatedBytes)
    isContended = isContended || shares.count > 1
    // What one class gave is there for another, whatever the headroom: no more is used than before.
    let roomBytes = min(capacityBytes, max(headroomBytes, movingBytes))
    switch ExtentBalance(shares, roomBytes: roomBytes).decide() {
    case .nothing:
      movingBytes = 0
      return false
    case .grow(let classID):
      let grown = growHost(classID)
      movingBytes = max(0, movingBytes - grown)
      return grown > 0
    case .move(let classID, let donors):
      guard mayMove(.host, to: shares.first { $0.classID == classID }) else { return false }
      let taken = core.takeHostExtent(from: donors)
      guard taken > 0 else { return false }
      movingBytes += taken
      noteMove(.host)
      return true
    }
  }

  /// Populates one extent; the bytes that the class got.
  private func growHost(_ classID: ClassID) -> Int {
    guard let (memory, extent) = core.nextHostExtent(classID) else { return 0 }
    do throws(HostTierError) {
      try memory.populate(extent: extent)
      core.addHostExtent(classID, extent)
      return memory.extentBytes
    } catch {
      core.note(shortfall: "the host tier cannot grow: \(error)", of: .host)
      return 0
    }
  }

  /// Half of the reserve is gone: what is left of it may be needed before there is time to look
  /// again.
  private func shrinkHost(
    _ shares: [ExtentBalance.Share], _ headroomBytes: Int, _ populatedBytes: Int
  ) -> Bool {
    sayHeadroom(populatedBytes)
    movingBytes = 0
    let balance = ExtentBalance(shares, roomBytes: headroomBytes)
    return core.takeHostExtent(from: balance.donorsToShrink(), isReturned: true) > 0
  }

  /// Says once when headroom keeps the tier small, and when it does not any more: only when there
  /// is room for some extents, for it is never quite the same twice.
  private func noteHeadroom(
    _ shares: [ExtentBalance.Share], _ capacityBytes: Int, _ headroomBytes: Int,
    _ populatedBytes: Int
  ) {
    let extentBytes = shares.filter { $0.isInNeed }.map(\.extentBytes).max() ?? 0
    if extentBytes > 0, capacityBytes >= extentBytes, headroomBytes < extentBytes {
      sayHeadroom(populatedBytes)
    } else if headroomBytes >= min(4 * max(1, extentBytes), capacityBytes) {
      core.note(shortfall: nil, of: .host)
    }
  }

  private func sayHeadroom(_ populatedBytes: Int) {
    core.note(
      shortfall: "the host tier stops at \(ByteSize(bytes: populatedBytes)) of "
        + "\(ByteSize(bytes: core.configuration.hostCapacityBytes)): less memory is left than "
        + "its reserve of \(ByteSize(bytes: core.configuration.hostReserveBytes))", of: .host)
  }

  private func balanceDisk() -> Bool {
    guard let store = core.store else { return false }
    // A class whose extents are not all scanned may have free slots in them.
    let shares = core.diskShares().filter { share in
      !unscanned.contains { $0.slotBytes == core.slotBytes(of: share.classID) }
    }
    guard shares.contains(where: { $0.isInNeed }) else { return false }
    isContended = isContended || shares.count > 1
    let isFull = Clock.now < diskFullUntil
    let roomBytes = isFull ? 0 : store.capacityBytes - store.committedBytes
    switch ExtentBalance(shares, roomBytes: roomBytes).decide() {
    case .nothing: return false
    case .grow(let classID): return growDisk(store, classID)
    case .move(let classID, let donors):
      // What is not scanned yet has no class that it could be taken from.
      guard hasScanned, mayMove(.disk, to: shares.first { $0.classID == classID }),
        core.takeDiskExtent(from: donors)
      else { return false }
      noteMove(.disk)
      diskFullUntil = Time(nanoseconds: 0)
      return true
    }
  }

  private func growDisk(_ store: DiskStore, _ classID: ClassID) -> Bool {
    do throws(DiskTierError) {
      let extent = try store.createExtent(slotBytes: core.slotBytes(of: classID))
      guard core.addDiskExtent(classID, extent) else {
        try store.deleteExtent(extent)
        core.note(shortfall: "the disk tier's slot numbers are used up", of: .disk)
        return false
      }
      core.note(shortfall: nil, of: .disk)
      return true
    } catch {
      diskFullUntil = Clock.now + Self.diskFullNanoseconds
      core.note(shortfall: "the disk tier cannot grow: \(error)", of: .disk)
      return false
    }
  }

  /// How long after a failure nothing is asked of the file system.
  private static let diskFullNanoseconds: UInt64 = 5_000_000_000
}
