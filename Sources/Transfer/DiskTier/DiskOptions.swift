/// How a disk store works, apart from where and how large.
public struct DiskOptions: Sendable {
  /// When a written block counts as durable.
  public enum Flush: String, Hashable, Sendable, CaseIterable {
    /// When the write is complete: it survives this process, but not a loss of power.
    case never
    /// When the device has been told to keep it, after each write.
    case each
  }

  /// About how long an extent is, in bytes; nil: 64 MiB, or 1/512 of a large capacity.
  public var extentBytes: Int?
  /// Threads that read and write.
  public var threadCount = 2
  /// Jobs that may wait for them.
  public var queueLimit = 256
  /// When a written block counts as durable.
  public var flush = Flush.never
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
