/// Who pays for a block: a tenant of a tier, as the tier's owner numbers it.
public struct TenantID: Hashable, Sendable, BitwiseCopyable {
  /// Counted from 0.
  public let rawValue: UInt8

  /// The tenant of that number.
  @inlinable
  public init(_ rawValue: UInt8) { self.rawValue = rawValue }

  /// Whoever pays when nobody else was named.
  @inlinable
  public static var standard: TenantID { TenantID(0) }

  /// The tenant as a place in an array.
  @inlinable
  public var index: Int { Int(rawValue) }
}

extension TenantID: CustomStringConvertible {
  /// Its number.
  public var description: String { "\(rawValue)" }
}
