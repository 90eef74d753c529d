/// The admission policies that a tier can be configured with, by their names.
public enum AdmissionChoice: RawRepresentable, Hashable, Sendable {
  /// Everything comes in: `all`.
  case all
  /// What comes by for the second time: `seen-twice`.
  case seenTwice
  /// What its request calls worth at least so much, 1...100: `priority:60`.
  case priority(Int)

  /// What a name can be, N being a number.
  public static let forms = ["all", "seen-twice", "priority:N"]

  /// The policy of a name; nil for what is none.
  public init?(rawValue: String) {
    switch rawValue {
    case "all": self = .all
    case "seen-twice": self = .seenTwice
    default:
      let number = rawValue.dropFirst(Self.priorityPrefix.count)
      guard rawValue.hasPrefix(Self.priorityPrefix), let least = Int(number),
        String(least) == number, PriorityThreshold.range.contains(least)
      else { return nil }
      self = .priority(least)
    }
  }

  /// Its name.
  public var rawValue: String {
    switch self {
    case .all: "all"
    case .seenTwice: "seen-twice"
    case .priority(let least): "\(Self.priorityPrefix)\(least)"
    }
  }

  private static let priorityPrefix = "priority:"

  /// The policy, at its beginning.
  public func makePolicy() -> any AdmissionPolicy {
    switch self {
    case .all: AdmitAll()
    case .seenTwice: SeenTwice()
    case .priority(let least): PriorityThreshold(least)
    }
  }
}
