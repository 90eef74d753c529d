/// A place for one block in a tier, `0..<capacity`.
public struct Slot: Hashable, Sendable, BitwiseCopyable {
  /// The slot's number in its slot class and tier.
  public let rawValue: UInt32

  /// The slot of that number.
  @inlinable
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  /// The slot at a position in a column; positions beyond 2³² - 1 are cut off.
  @inlinable
  package init(index: Int) { rawValue = UInt32(truncatingIfNeeded: index) }

  /// The slot as a position in a column.
  @inlinable @inline(__always)
  public var index: Int { Int(rawValue) }

  /// No slot.
  @inlinable
  public static var none: Slot { Slot(.max) }
}

/// A block as the world outside the pool names it: a slot, and which use of it is meant.
///
/// The generation rises when a block leaves its slot, so an id kept for too long is recognised, and
/// never reaches the block that came after. An id owns nothing and keeps nothing from eviction.
public struct BlockID: Hashable, Sendable, BitwiseCopyable {
  /// Where the block lies.
  public let slot: Slot
  /// Which use of the slot is meant, counted from 1; 0 only in `none`.
  public let generation: UInt32

  /// The block that the slot holds in that generation.
  @inlinable
  public init(slot: Slot, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }

  /// The form that crosses the C ABI: `generation << 32 | slot`.
  @inlinable
  public var rawValue: UInt64 { UInt64(generation) << 32 | UInt64(slot.rawValue) }

  /// The block of a raw value.
  @inlinable
  public init(rawValue: UInt64) {
    slot = Slot(UInt32(truncatingIfNeeded: rawValue))
    generation = UInt32(truncatingIfNeeded: rawValue >> 32)
  }

  /// No block. Generations begin at 1, so it is stale everywhere.
  @inlinable
  public static var none: BlockID { BlockID(slot: .none, generation: 0) }
}

extension BlockID: CustomStringConvertible {
  /// `slot.generation`.
  public var description: String { "\(slot.rawValue).\(generation)" }
}
