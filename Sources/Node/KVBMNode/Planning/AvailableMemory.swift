import HostTier

/// Memory that a node could take on this machine now.
public enum AvailableMemory {
  /// Bytes left in the machine and the cgroup, less the reserve that a node leaves alone.
  ///
  /// `Int.max` where neither can be told.
  public static func bytes(
    reserveBytes: Int = NodeConfiguration.hostReserveBytesDefault
  ) -> Int {
    let available = MemoryHeadroom().availableBytes()
    return available == Int.max ? available : max(0, available - reserveBytes)
  }
}

extension NodeConfiguration {
  /// What a node leaves to the machine and the cgroup when it is not told.
  public static var hostReserveBytesDefault: Int {
    NodeConfiguration(socketPath: "", hostCapacityBytes: 0).hostReserveBytes
  }
}
