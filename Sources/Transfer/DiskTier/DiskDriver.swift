import Glibc
import KVLayout

/// One transfer of a whole slot or page, at a multiple of 4096 bytes in a file.
///
/// `prepare` runs on a thread of the driver right before the transfer; `complete` runs exactly once
/// after it, whatever happened, with 0 or the errno. Neither may wait for other jobs.
public struct DiskJob: Sendable {
  /// Which way the bytes go.
  public enum Direction: Hashable, Sendable {
    /// From the file into memory.
    case read
    /// From memory into the file; flushed to the device before it counts, if wanted.
    case write(flush: Bool)
  }

  /// Which way the bytes go.
  public var direction: Direction
  /// The file; stays open until `complete` has returned.
  public var fd: Int32
  /// From the beginning of the file, in bytes.
  public var offset: Int64
  /// 4096-aligned memory, which must stay valid until `complete` is called.
  public var address: SlotAddress
  /// A multiple of 4096.
  public var byteCount: Int
  /// Runs before the transfer; an errno other than 0 ends the job without one.
  public var prepare: (@Sendable () -> Int32)?
  /// Runs after it, with 0 or the errno.
  public var complete: @Sendable (Int32) -> Void

  /// A job; nothing happens before it is submitted.
  public init(
    direction: Direction, fd: Int32, offset: Int64, address: SlotAddress, byteCount: Int,
    prepare: (@Sendable () -> Int32)? = nil, complete: @escaping @Sendable (Int32) -> Void
  ) {
    self.direction = direction
    self.fd = fd
    self.offset = offset
    self.address = address
    self.byteCount = byteCount
    self.prepare = prepare
    self.complete = complete
  }
}

/// Carries out transfers on threads of its own: a pool of threads, or a ring to the kernel.
public protocol DiskDriver: AnyObject, Sendable {
  /// What messages and figures call it, as in `DiskOptions.Driver`.
  var name: String { get }

  /// Takes a job, or refuses it when the queue is full or the driver is shut down.
  ///
  /// Never waits. After a refusal `complete` is not called.
  func submit(_ job: DiskJob) -> Bool

  /// Takes no more jobs, carries out those that it has, and ends its threads.
  ///
  /// Every job's `complete` has returned when this does. Waits as long as the device takes. Must
  /// not be called from `prepare` or `complete`. The second call does nothing.
  func shutdown()
}
