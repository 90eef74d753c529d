/// Nanoseconds since an origin that the caller chose; the engine has no clock of its own.
public struct Time: Comparable, Hashable, Sendable {
  /// Never decreases from call to call.
  public var nanoseconds: UInt64

  /// The moment so long after the origin.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// Whether a moment is before another.
  public static func < (a: Time, b: Time) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The moment `nanoseconds` later, the last one there is when that is beyond it.
  public static func + (a: Time, nanoseconds: UInt64) -> Time {
    let (sum, isBeyond) = a.nanoseconds.addingReportingOverflow(nanoseconds)
    return Time(nanoseconds: isBeyond ? .max : sum)
  }
}

/// An inference engine: its scheduler and its workers attach apart and count as one.
public struct EngineID: Hashable, Sendable {
  /// The node's number for it, never used again.
  public let rawValue: UInt32

  /// The engine of that number.
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// An inference request, as its engine numbers it.
public struct RequestID: Hashable, Sendable {
  /// The engine that asks.
  public let engine: EngineID
  /// Its number among the engine's live requests.
  public let number: UInt64

  /// The engine's request of that number.
  public init(engine: EngineID, number: UInt64) {
    self.engine = engine
    self.number = number
  }
}

/// A transfer that somebody carries out and reports, part by part.
///
/// `epoch << 48 | generation << 16 | entry`: reports from before a restart, and reports for an
/// operation that is over, are recognised.
public struct OperationID: Hashable, Sendable {
  /// The form that goes to drivers and over the wire; 0 names no operation.
  public let rawValue: UInt64

  /// The operation of that number.
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Where copies lie, below the device.
public enum Tier: UInt8, Hashable, Sendable, CaseIterable {
  /// G2: what is registered there is verified, and so it is ready.
  case host
  /// G3: what is registered there is known, and unproven until read.
  case disk
}

/// Slots of one size, in both tiers.
public struct ClassID: Hashable, Sendable, BitwiseCopyable {
  /// Counted from 0, in the order in which classes were opened.
  public let rawValue: UInt8

  /// The class of that number.
  public init(_ rawValue: UInt8) { self.rawValue = rawValue }
}

/// A namespace, as this engine numbers it.
public struct NamespaceID: Hashable, Sendable, BitwiseCopyable {
  /// Counted from 0, in the order in which namespaces were opened.
  public let rawValue: UInt16

  /// The namespace of that number.
  public init(_ rawValue: UInt16) { self.rawValue = rawValue }
}

/// A block in its tier and class.
public struct BlockRef: Hashable, Sendable {
  /// Where its copy lies.
  public let tier: Tier
  /// Whose slot it is in.
  public let classID: ClassID
  /// The slot, and which use of it is meant.
  public let block: BlockID

  /// The block of that id, there.
  public init(tier: Tier, classID: ClassID, block: BlockID) {
    self.tier = tier
    self.classID = classID
    self.block = block
  }
}

/// How a part of an operation ended.
public enum Outcome: UInt8, Hashable, Sendable {
  case success
  /// It did not happen, and whoever carried it out touches the memory no more.
  case failure
  /// The source's bytes are not what its checksums say; the memory is touched no more.
  case corrupt
  /// There is no such object in the object store; the memory is touched no more.
  case missing
}
