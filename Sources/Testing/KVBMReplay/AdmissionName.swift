import BlockPolicy

/// The admission policies that a replay can be asked for.
public enum AdmissionName: Hashable, Sendable {
  /// One that a node has.
  case choice(AdmissionChoice)
  /// For comparison: what came by twice of late, by a sketch.
  case tinyLFU

  /// What a name can be, N being a number.
  public static let forms = AdmissionChoice.forms + ["tinylfu"]

  /// Everything comes in.
  public static let all = AdmissionName.choice(.all)

  /// What a list of names with commas means; nil with an unknown name.
  public static func list(_ text: String) -> [AdmissionName]? {
    var names: [AdmissionName] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let choice = AdmissionChoice(rawValue: String(part)).map(AdmissionName.choice)
      guard let name = choice ?? (part == "tinylfu" ? .tinyLFU : nil) else { return nil }
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// Its name.
  public var rawValue: String {
    switch self {
    case .choice(let choice): choice.rawValue
    case .tinyLFU: "tinylfu"
    }
  }

  /// The policy before a pool of so many blocks; nil where everything comes in.
  func policy(blockCount: Int) -> (any AdmissionPolicy)? {
    switch self {
    case .choice(.all): nil
    case .choice(let choice): choice.makePolicy()
    case .tinyLFU: TinyLFU(capacity: blockCount)
    }
  }
}
