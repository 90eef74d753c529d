/// The admission policies that a tier can be configured with, by their names.
public enum AdmissionChoice: String, Hashable, Sendable, CaseIterable {
  /// Everything comes in.
  case all
  /// What comes by for the second time.
  case seenTwice = "seen-twice"

  /// The policy, at its beginning.
  public func makePolicy() -> any AdmissionPolicy {
    switch self {
    case .all: AdmitAll()
    case .seenTwice: SeenTwice()
    }
  }
}
