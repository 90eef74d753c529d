import CHint
import Glibc

/// A fixed number of trivial values in memory of their own: the pointer code of the logic layer.
///
/// 1. `init` reserves memory that is all zero bytes, and touches none of it: pages that are never
/// used cost nothing, so a column for millions of slots is made at once. 2. The owner reads and
/// writes by subscript, and may hand out copies, which are references to the same memory. 3. The
/// owner's `deinit` calls `deallocate`, after which no copy may be used.
///
/// All zero bytes must be a valid `Element` that means "nothing yet". Positions are checked in
/// debug builds only: they come from the tables of this layer, never from a caller.
@usableFromInline
package struct Column<Element: BitwiseCopyable>: BitwiseCopyable {
  /// The first value; the owner's to free.
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// How many values there are.
  @usableFromInline package let count: Int

  /// - Complexity: O(1); the memory is zeroed by the kernel, page by page, as it is used.
  package init(zeroed count: Int) {
    let stride = MemoryLayout<Element>.stride
    guard let memory = calloc(max(count, 1), stride) else {
      preconditionFailure("no memory for \(count) values of \(stride) bytes")
    }
    base = memory.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  /// Ends the life of all copies.
  package func deallocate() { free(base) }

  /// The value at a position, `0..<count`.
  @inlinable @inline(__always)
  package subscript(position: Int) -> Element {
    unsafeAddress {
      assert(position >= 0 && position < count)
      return UnsafePointer(base + position)
    }
    nonmutating unsafeMutableAddress {
      assert(position >= 0 && position < count)
      return base + position
    }
  }

  /// Begins to bring the value at a position near, for an access that follows soon.
  @inlinable @inline(__always)
  package func prefetch(_ position: Int) {
    assert(position >= 0 && position < count)
    chint_prefetch(base + position)
  }

  /// The value of a slot.
  @inlinable @inline(__always)
  package subscript(slot: Slot) -> Element {
    unsafeAddress {
      assert(slot.index < count)
      return UnsafePointer(base + slot.index)
    }
    nonmutating unsafeMutableAddress {
      assert(slot.index < count)
      return base + slot.index
    }
  }
}
