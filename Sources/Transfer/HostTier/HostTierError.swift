/// Why host memory cannot be had.
public enum HostTierError: Error, Hashable, Sendable {
  /// A size that cannot be: not positive, not whole pages, or no room for one slot.
  case badSize(field: String, bytes: Int)
  /// There is no such extent.
  case noSuchExtent(index: Int, extentCount: Int)
  /// The machine or the cgroup has no memory left; what was asked for is not there.
  case outOfMemory(bytes: Int)
  /// A system call failed.
  case system(call: String, errno: Int32)
}
