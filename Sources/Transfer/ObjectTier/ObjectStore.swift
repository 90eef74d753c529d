import KVLayout

/// One object's way into or out of a store that other nodes use as well.
///
/// Bytes are not looked at: who gets an object verifies its header and checksums, like a slot's
/// from disk, and only then believes it.
public struct ObjectJob: Sendable {
  /// What is to be done.
  public enum Operation: Sendable {
    /// Stores bytes that stay as they are and valid until `complete` is called. An object that is
    /// there already wins: equal names mean equal content.
    case put(from: SlotAddress, byteCount: Int)
    /// Reads the whole object into memory, the job's alone until `complete` is called. Without
    /// `done` its content is undefined.
    case get(into: SlotAddress, byteCount: Int)
    /// Asks whether the object is there.
    case look
    /// Deletes an object whose bytes were found wrong, so that it can be put again.
    case remove
  }

  /// What is to be done.
  public var operation: Operation
  /// With which object.
  public var name: ObjectName
  /// When an answer is of no more use: nanoseconds of the monotonic clock.
  public var deadline: UInt64
  /// Runs exactly once, on a thread of the store, and may not wait for other jobs.
  public var complete: @Sendable (ObjectOutcome) -> Void

  /// A job; nothing happens before it is submitted.
  public init(
    _ operation: Operation, name: ObjectName, deadline: UInt64,
    complete: @escaping @Sendable (ObjectOutcome) -> Void
  ) {
    self.operation = operation
    self.name = name
    self.deadline = deadline
    self.complete = complete
  }
}

extension ObjectJob.Operation {
  /// Whose turn is first where several jobs wait: lower ones. Somebody may wait for an answer or an
  /// object, and nobody waits for a put; in its kind first in, first out.
  var rank: Int {
    switch self {
    case .look: 0
    case .get, .remove: 1
    case .put: 2
    }
  }

  /// The ranks, first to last.
  static let ranks = 0...2
}

/// How a job ended.
public enum ObjectOutcome: Hashable, Sendable {
  /// It was done: the object is stored, in memory, there, or deleted.
  case done
  /// There is no such object, or one that was cut and is deleted now.
  case missing
  /// Neither is known; a put may have happened all the same.
  case failed(ObjectError)
}

/// What a store has met so far that its outcomes do not tell.
public struct ObjectFigures: Hashable, Sendable {
  /// Puts that found their object there.
  public var existingCount = 0
  /// Objects of a wrong length, which were deleted.
  public var damagedCount = 0
  /// Requests that were tried again.
  public var retryCount = 0

  /// Nothing yet.
  public init() {}
}

/// A shared store of immutable objects: a directory, or a service.
public protocol ObjectStore: AnyObject, Sendable {
  /// Takes a job, or refuses it when the queue is full or the store is shut down.
  ///
  /// Never waits. After a refusal `complete` is not called.
  func submit(_ job: ObjectJob) -> Bool

  /// Takes no more jobs, ends those that wait as failed, and waits for those that are under way.
  ///
  /// Every job's `complete` has returned when this does. Must not be called from `complete`. The
  /// second call does nothing.
  func shutdown()

  /// What it has met since it was opened.
  var figures: ObjectFigures { get }
}
