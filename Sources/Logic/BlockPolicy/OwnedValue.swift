/// A value in memory of its own, so that where it may be absent that is told by a pointer, and its
/// owner is small.
///
/// 1. `init` moves the value there. 2. The owner works on it in place. 3. It ends with the owner.
@usableFromInline
package struct OwnedValue<Value: ~Copyable>: ~Copyable {
  @usableFromInline let pointer: UnsafeMutablePointer<Value>

  /// The value, moved to memory of its own.
  package init(_ value: consuming Value) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: value)
  }

  deinit {
    pointer.deinitialize(count: 1)
    pointer.deallocate()
  }

  /// The value in its place.
  @inlinable @inline(__always)
  package var value: Value {
    unsafeAddress { UnsafePointer(pointer) }
    unsafeMutableAddress { pointer }
  }
}
