import Glibc
import KVLayout
import Synchronization

/// Blocks on disk: extents of slots in one directory, which this process alone writes.
///
/// 1. `open` takes the directory's lock and lists the extents of earlier runs.
/// 2. `scan` says what is in them: nothing is kept but the slots, and each stands for itself.
/// 3. `write` and `read` move single blocks on the driver's threads; outcomes go to the callback.
/// 4. `close`, or the last reference, carries out what was begun, leaves an index for the next run,
/// and lets the lock go.
///
/// Which slot holds what, and which is free, is the caller's to know. Safe from any thread.
public final class DiskStore: Sendable {
  /// Receives the outcome of each read and write, once, on a thread of the driver.
  public typealias Completion = @Sendable (_ ticket: UInt64, DiskOutcome) -> Void

  /// What changes while a store is open. No I/O happens under its lock.
  struct State: Sendable {
    /// Those in use, by id.
    var extents: [UInt32: DiskExtent] = [:]
    /// Of all extents that exist, used or not, and those that are being made.
    var committedBytes = 0
    /// Above every id that was seen.
    var nextID: UInt32 = 1
    /// Digests whose descriptions are known to be in the store, at most 1024.
    var notedNamespaces: Set<String> = []
  }

  /// The names in the directory.
  let layout: StoreLayout
  /// As given to `open`.
  let options: DiskOptions
  /// Who moves the bytes; shut down with the store.
  let driver: any DiskDriver
  /// Who makes what the driver writes, where slots are protected.
  let protectedWriter: ProtectedWriter?
  /// Who hears of each outcome.
  let completion: Completion
  /// Guards the extents.
  let state: Mutex<State>
  /// What is at each slot, for the snapshot at the end.
  let notes = SlotNoteBook()
  /// What the last run left about its slots, until they are scanned.
  let snapshot: Mutex<StoreSnapshot?>
  /// The last sequence number that was given to a write or found by a scan.
  let writeSequence: Atomic<UInt64>
  /// What a freed slot begins with.
  let zeroPage = AlignedBuffer(count: 4096)
  private let lock: StoreLock
  private let hasLeftSnapshot = Atomic<Bool>(false)

  /// Bytes that all extents together may have.
  public let capacityBytes: Int
  /// 32 hexadecimal digits that name the store.
  public let storeID: String
  /// Whether reads and writes go around the page cache.
  public let supportsDirectIO: Bool
  /// Whether extents are allocated when they are made, so that a full disk shows then.
  public let supportsFallocate: Bool
  /// How long the reads took with which the store was tried; empty where they went through the page
  /// cache, and for a full disk.
  public let trialReads: [TrialRead]
  /// What the operator should know: slow paths, files left out, repairs. A sentence each.
  public let warnings: [String]

  /// The store's directory.
  public var directory: String { layout.directory }
  /// What the driver that is in use is called.
  public var driverName: String { driver.name }
  /// All extents in use, oldest first.
  public var extents: [DiskExtent] {
    state.withLock { $0.extents.values.sorted { $0.id < $1.id } }
  }
  /// Bytes of all extents that exist, also of those that are left out.
  public var committedBytes: Int { state.withLock { $0.committedBytes } }

  /// A store of what opening found; takes over lock and driver.
  init(
    _ opening: StoreOpening, capacityBytes: Int, options: DiskOptions, driver: any DiskDriver,
    warning: String?, completion: @escaping Completion
  ) throws(DiskTierError) {
    layout = opening.layout
    lock = opening.lock
    storeID = opening.marker.storeID
    supportsDirectIO = opening.probe.supportsDirectIO
    supportsFallocate = opening.probe.supportsFallocate
    trialReads = opening.probe.reads
    warnings = opening.warnings + (warning.map { [$0] } ?? [])
    state = Mutex(opening.state)
    snapshot = Mutex(opening.snapshot)
    writeSequence = Atomic(opening.firstWriteSequence)
    self.capacityBytes = capacityBytes
    self.options = options
    self.driver = driver
    self.completion = completion
    if let protector = options.protector, protector.form != .plain {
      protectedWriter = try ProtectedWriter(protector, driver, queueLimit: options.queueLimit)
    } else {
      protectedWriter = nil
    }
  }

  deinit { close() }

  /// Opens the store in `directory`, and makes it where it is missing.
  ///
  /// - Parameters:
  ///   - capacityBytes: for all extents; room for one page-sized slot at least.
  ///   - driver: who moves the bytes; nil: as `options` says.
  ///   - completion: called for every read and write that was accepted.
  /// - Throws: `DiskTierError`; the lock is not held then.
  /// - Complexity: one open file an extent. Slots are not read.
  public static func open(
    directory: String, capacityBytes: Int, options: DiskOptions = DiskOptions(),
    driver: (any DiskDriver)? = nil, completion: @escaping Completion
  ) throws(DiskTierError) -> DiskStore {
    guard capacityBytes >= 8192 else {
      throw .badSize(field: "disk capacity", bytes: capacityBytes)
    }
    let opening = try StoreOpening(
      directory: directory, capacityBytes: capacityBytes, options: options)
    let used: any DiskDriver
    var warning: String?
    if let driver { used = driver } else { (used, warning) = try options.makeDriver() }
    return try DiskStore(
      opening, capacityBytes: capacityBytes, options: options, driver: used, warning: warning,
      completion: completion)
  }

  /// Carries out all reads and writes that were accepted, and leaves an index of the slots for the
  /// next run; takes no more.
  ///
  /// All callbacks have returned when this does. The lock is held until the last reference goes.
  public func close() {
    protectedWriter?.close()
    driver.shutdown()
    guard !hasLeftSnapshot.exchange(true, ordering: .relaxed) else { return }
    leaveSnapshot()
  }
}
