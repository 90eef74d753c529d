import CHint
import Glibc

/// A fixed number of trivial values in memory of their own: the pointer code of the logic layer.
///
/// 1. `init` reserves memory that is all zero bytes, and touches none of it: pages that are never
/// used cost nothing, so a column for millions of slots is made at once. 2. The owner reads and
/// writes by subscript, and may hand out copies, which are references to the same memory. 3. The
/// owner's `deinit` calls `deallocate`, after which no copy may be used.
///
/// Memory begins with a cache line, so that values whose size divides a line never lie across two.
/// All zero bytes must be a valid `Element` that means "nothing yet". Positions are checked in
/// debug builds only: they come from the tables of this layer, never from a caller.
@usableFromInline
package struct Column<Element: BitwiseCopyable>: BitwiseCopyable {
  /// The first value.
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// The memory that it lies in; the owner's to free.
  private let memory: UnsafeMutableRawPointer
  /// How many values there are.
  @usableFromInline package let count: Int

  /// - Complexity: O(1); the memory is zeroed by the kernel, page by page, as it is used.
  package init(zeroed count: Int) {
    let stride = MemoryLayout<Element>.stride
    let (size, isTooMuch) = max(count, 1).multipliedReportingOverflow(by: stride)
    guard !isTooMuch, let memory = calloc(1, size + Self.lineBytes) else {
      preconditionFailure("no memory for \(count) values of \(stride) bytes")
    }
    self.memory = memory
    base = memory.alignedUp(toMultipleOf: Self.lineBytes)
      .bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  private static var lineBytes: Int { 64 }

  /// Ends the life of all copies.
  package func deallocate() { free(memory) }

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
