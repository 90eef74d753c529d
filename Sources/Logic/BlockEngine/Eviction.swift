import BlockPolicy

/// Which policy chooses what leaves a full tier.
public struct Eviction: Hashable, Sendable {
  /// In host memory.
  public var host: EvictionChoice
  /// On disk.
  public var disk: EvictionChoice

  /// These policies, leaf-first where nothing is said.
  public init(host: EvictionChoice = .leafFirst, disk: EvictionChoice = .leafFirst) {
    self.host = host
    self.disk = disk
  }
}
