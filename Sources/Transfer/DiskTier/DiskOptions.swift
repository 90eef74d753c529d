import Protection

/// How a disk store works, apart from where and how large.
public struct DiskOptions: Sendable {
  /// When a written block counts as durable.
  public enum Flush: String, Hashable, Sendable, CaseIterable {
    /// When the write is complete: it survives this process, but not a loss of power.
    case never
    /// When the device has been told to keep it, after each write.
    case each
  }

  /// Who moves the bytes.
  public enum Driver: String, Hashable, Sendable, CaseIterable {
    /// A ring to the kernel where that may be had, else threads.
    case auto
    /// A ring to the kernel, or the store does not open.
    case ring = "io_uring"
    /// A few threads that wait for one transfer each.
    case threads
  }

  /// About how long an extent is, in bytes; nil: 64 MiB, or 1/512 of a large capacity.
  public var extentBytes: Int?
  /// Who moves the bytes.
  public var driver = Driver.auto
  /// Threads that read, write and check what was read.
  public var threadCount = 2
  /// Jobs that may wait for them.
  public var queueLimit = 256
  /// Reads that a ring has with the device at a time, 1 to 1024; and a quarter as many writes, a
  /// sixteenth while it has reads.
  public var queueDepth = 32
  /// When a written block counts as durable.
  public var flush = Flush.never
  /// What protects slots on disk, and takes the protection off; nil where there are no keys: then
  /// what is protected is left alone.
  public var protector: Protector?
  /// Has the device keep the names in a directory; 0, or the errno. Another one in simulations.
  package var flushNames: @Sendable (_ directory: String) -> Int32 = Directory.flushNames
  /// Whether to go around the page cache where the file system can.
  public var useDirectIO = true

  /// The defaults.
  public init() {}

  /// The length to aim at, never more than an eighth of the capacity: slot classes share a disk.
  func extentBytes(capacityBytes: Int) -> Int {
    let wanted = extentBytes ?? max(64 << 20, capacityBytes / 512)
    return max(8192, min(wanted, capacityBytes / 8))
  }
}
