/// The address of memory that its holder may pass to another thread.
public struct SlotAddress: @unchecked Sendable {
  /// The first byte.
  public let pointer: UnsafeMutableRawPointer

  /// Names memory; the holder answers for its life and for who touches it.
  public init(_ pointer: UnsafeMutableRawPointer) { self.pointer = pointer }
}
