import BlockPolicy

/// The admission policies that a replay can be asked for.
public enum AdmissionName: String, CaseIterable, Sendable {
  /// Everything comes in.
  case all
  /// What comes by for the second time.
  case seenTwice = "seen-twice"
  /// For comparison: what came by twice of late, by a sketch.
  case tinyLFU = "tinylfu"

  /// What a list of names with commas means; nil with an unknown name.
  public static func list(_ text: String) -> [AdmissionName]? {
    var names: [AdmissionName] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let name = AdmissionName(rawValue: String(part)) else { return nil }
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// The policy before a pool of so many blocks; nil where everything comes in.
  func policy(blockCount: Int) -> (any AdmissionPolicy)? {
    switch self {
    case .all: nil
    case .seenTwice: AdmissionChoice.seenTwice.makePolicy()
    case .tinyLFU: TinyLFU(capacity: blockCount)
    }
  }
}
