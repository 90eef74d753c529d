/// The eviction policies that a tier can be set to, by the names that people write.
public enum EvictionChoice: String, CaseIterable, Sendable {
  /// What was used longest ago goes first.
  case lru
  /// The same, but a block goes only after its descendants.
  case leafFirst = "leaf-first"
  /// What is expected to be used least goes first, as learnt on line.
  case forecast

  /// What a node's tiers use unless they are told otherwise.
  public static let standard = EvictionChoice.leafFirst

  /// All names, as they are listed to people.
  public static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
