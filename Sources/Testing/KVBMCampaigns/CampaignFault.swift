/// Defects that a campaign has to find: between the store and its driver, or in what reads.
public enum CampaignFault: String, CaseIterable, Sendable {
  /// A write is reported before it was begun.
  case reportEarly
  /// The header is written and reported, the payload after it.
  case headerFirst
  /// Only the first half is written, and the whole is reported.
  case shortWrite
  /// A write that has to be flushed is not.
  case noFlush
  /// The names of new files are not flushed.
  case unflushedNames
  /// The deletion of the last run's index is not flushed.
  case staleIndex
  /// What a header says is served without proving the payload.
  case trustHeader

  /// What it does, in a sentence.
  public var summary: String {
    switch self {
    case .reportEarly: "a write is reported before it has begun"
    case .headerFirst: "the header is written and reported, the payload after it"
    case .shortWrite: "the first half is written, and the whole is reported"
    case .noFlush: "a write that has to be flushed before it counts is not"
    case .unflushedNames: "the names of new extents are not flushed"
    case .staleIndex: "the deletion of the last run's index is not flushed"
    case .trustHeader: "what a header says is served without proving the payload"
    }
  }

  /// Those that can be seen when a process is killed: the kernel keeps what it was given.
  public static let ofKills: [CampaignFault] = [.reportEarly, .headerFirst, .shortWrite]
  /// Those that can be seen when power is lost.
  public static let ofPowerLoss: [CampaignFault] = allCases
}
