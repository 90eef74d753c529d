import FoundationEssentials

/// The cache groups of a namespace in words, from its canonical description (docs/identity.md).
public enum GroupWords {
  /// One line a group, as in "group 1: a window of 256 tokens, 2 layers, 4 heads of 64"; none where
  /// the description does not say.
  public static func lines(ofDescription description: String) -> [String] {
    let data = Data(description.utf8)
    guard let document = try? JSONDecoder().decode(Description.self, from: data) else { return [] }
    return document.groups.enumerated().map { "group \($0): \($1.words)" }
  }

  /// What the layers of a group keep, by its window where it has one.
  static func kind(windowTokens: Int?) -> String {
    windowTokens.map { "a window of \($0) tokens" } ?? "full attention"
  }

  private struct Description: Decodable {
    let groups: [Group]
  }

  private struct Group: Decodable {
    let kind: String
    let heads: Int
    let headSize: Int
    let layers: Int
    let window: Int?

    enum CodingKeys: String, CodingKey {
      case kind, heads, layers, window
      case headSize = "head_size"
    }

    var words: String {
      let layerWords = "\(layers) layer\(layers == 1 ? "" : "s")"
      switch kind {
      case "mla": return "latents (MLA) of \(headSize), \(layerWords)"
      case "full", "sliding":
        return "\(GroupWords.kind(windowTokens: window)), \(layerWords), "
          + "\(heads) head\(heads == 1 ? "" : "s") of \(headSize)"
      default: return "\(kind), \(layerWords)"
      }
    }
  }
}
