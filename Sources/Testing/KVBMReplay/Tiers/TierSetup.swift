import BlockEngine
import BlockPolicy

/// What a replay over tiers pretends to have: sizes, and how fast it is.
public struct TierSetup: Equatable, Sendable {
  /// Blocks of the host tier, at least 1.
  public var hostBlocks: Int
  /// Blocks of the disk tier; 0 for none.
  public var diskBlocks: Int
  /// What leaves both tiers when they are full.
  public var eviction = Eviction().host
  /// What comes into the host tier.
  public var hostAdmission = AdmissionChoice.all
  /// What of the host tier is written to disk.
  public var diskAdmission = AdmissionChoice.all
  /// Bytes that may be written to disk in a day; nil without a limit.
  public var writeBudgetBytes: Int?
  /// Bytes of one block in all tiers, and the tokens that it stands for.
  public var blockBytes = 2 << 20
  public var blockTokens = 16
  /// From host memory to the device, in bytes a second.
  public var hostSpeed = 10e9
  /// From disk to host memory, and the other way, in bytes a second; neither slows the other.
  public var diskSpeed = 2e9
  /// Tokens of a prompt's beginning that are computed in a second.
  public var prefillSpeed = 5_000.0
  /// So many tokens before it make a token take twice as long; nil when they make no difference.
  public var prefillContext: Double?

  /// Tiers of so many blocks, at usual speeds.
  public init(hostBlocks: Int, diskBlocks: Int) {
    precondition(hostBlocks > 0 && diskBlocks >= 0, "a tier has blocks")
    self.hostBlocks = hostBlocks
    self.diskBlocks = diskBlocks
  }

  /// Tokens that an engine computes in one step, and offers to store after it.
  static let stepTokens = 8_192

  func hostNanoseconds(_ blocks: Int) -> UInt64 { nanoseconds(blocks, at: hostSpeed) }

  func diskNanoseconds(_ blocks: Int) -> UInt64 { nanoseconds(blocks, at: diskSpeed) }

  /// To compute so many blocks behind others.
  func prefillNanoseconds(_ blocks: Int, behind start: Int = 0) -> UInt64 {
    let tokens = Double(blocks * blockTokens)
    let before = Double(start * blockTokens) + tokens / 2
    let share = 1 + before / (prefillContext ?? .infinity)
    return UInt64(tokens * share / prefillSpeed * 1e9)
  }

  private func nanoseconds(_ blocks: Int, at speed: Double) -> UInt64 {
    UInt64(Double(blocks * blockBytes) / speed * 1e9)
  }
}
