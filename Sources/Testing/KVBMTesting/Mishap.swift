/// What can go wrong in a simulation, by kind.
public enum Mishap: Int, CaseIterable, Sendable {
  /// Bytes move long after they were asked for, often beyond the deadline.
  case lateCopy
  /// An outcome is reported long after the bytes have moved, out of order.
  case lateReport
  /// An outcome is never reported.
  case lostReport
  /// An outcome is reported a second time.
  case repeatedReport
  /// A copy, a read or a write fails; what it should have filled is garbage.
  case failedCopy
  /// Of the blocks of a load only the first ones are copied.
  case partialBatch
  /// A write is cut off, and reported as failed or, after a restart, not at all.
  case tornWrite
  /// A write is cut off and reported as a success.
  case lyingDisk
  /// A bit on disk turns round.
  case diskBitFlip
  /// A bit in host memory turns round.
  case hostBitFlip
  /// The disk has an earlier copy of a block in another slot.
  case oldCopy
  /// Reads and writes take many times longer for a while.
  case slowDisk
  /// Every write fails for a while: there is no space.
  case fullDisk
  /// The disk driver is reset, and reports all that it still had.
  case diskReset
  /// The engine's clock jumps ahead of everybody else.
  case clockJump
  /// Memory is taken away.
  case retiredMemory
  /// An operator removes a block.
  case purge
  /// An inference engine dies; its last reports may come later.
  case engineDeath
  /// The node dies and comes back with what the disk holds.
  case restart
  /// The object store answers nothing for a while.
  case storeOutage
  /// The object store takes many times longer for a while.
  case slowStore
  /// An object is cut off, and reported as put.
  case tornObject
  /// A bit of an object turns round.
  case objectBitFlip
  /// Somebody else deletes an object.
  case deletedObject
  /// Under an object's name lies another one.
  case mixedUpObject
  /// A put is reported as failed, and the object is there.
  case falseFailure

  /// Whether it takes an object store.
  public var isOfObjects: Bool { rawValue >= Mishap.storeOutage.rawValue }
}

/// Kinds of mishaps.
public struct MishapSet: Sendable {
  private var bits: UInt32

  /// Every kind, and none.
  public static let all = MishapSet(bits: ~0)
  /// A world in which nothing goes wrong.
  public static let none = MishapSet(bits: 0)

  /// Whether the kind is one of them.
  public func contains(_ kind: Mishap) -> Bool { bits & 1 << UInt32(kind.rawValue) != 0 }

  /// These without one.
  public func removing(_ kind: Mishap) -> MishapSet {
    MishapSet(bits: bits & ~(1 << UInt32(kind.rawValue)))
  }
}

/// How often each kind of mishap has happened.
public struct MishapCounts: Sendable {
  private var counts = [Int](repeating: 0, count: Mishap.allCases.count)

  mutating func add(_ other: MishapCounts) {
    for kind in Mishap.allCases { self[kind] += other[kind] }
  }

  /// How often that kind has.
  public subscript(kind: Mishap) -> Int {
    get { counts[kind.rawValue] }
    set { counts[kind.rawValue] = newValue }
  }
}
