import KVLayout

extension CapacityPlan {
  /// The model's cache groups.
  ///
  /// - Throws: `ConfigurationError` for a model without attention, or blocks that fit no slot.
  static func groups(
    _ model: ModelConfig, blockTokens: Int, element: KVElement
  ) throws(ConfigurationError) -> [Group] {
    var groups: [Group] = []
    for (kind, count) in split(try layerCounts(model)) {
      let elements = kind.isLatent ? model.latentSize ?? 0 : 2 * model.headSize
      do throws(LayoutError) {
        let shape = try BlockShape(
          headCount: kind.isLatent ? 1 : model.kvHeadCount, layerCount: count,
          blockTokens: blockTokens, tokenBytes: elements * element.bytes,
          elementBytes: element.bytes)
        groups.append(Group(kind: kind, shape: shape))
      } catch {
        throw ConfigurationError(
          key: "model", value: model.modelType, remedy: "one whose blocks fit a slot (\(error))")
      }
    }
    return groups
  }

  private typealias LayerCount = (kind: Group.Kind, count: Int)

  /// How many layers there are of each kind, in the order of the first of each.
  private static func layerCounts(
    _ model: ModelConfig
  ) throws(ConfigurationError) -> [LayerCount] {
    var counts: [LayerCount] = []
    for layer in model.layers {
      let kind: Group.Kind
      switch (layer, model.latentSize) {
      case (.full, nil): kind = .full
      case (.full, _): kind = .latent
      case (.sliding(let window), nil): kind = .sliding(window: window)
      case (.sliding(let window), _): kind = .slidingLatent(window: window)
      case (.state, _), (.none, _): continue
      }
      if let index = counts.firstIndex(where: { $0.kind == kind }) {
        counts[index].count += 1
      } else {
        counts.append((kind, 1))
      }
    }
    guard !counts.isEmpty else {
      throw ConfigurationError(
        key: "model", value: model.modelType, remedy: "one with attention layers")
    }
    return counts
  }

  /// Groups of about equal size, as vLLM makes them of layers of several kinds: as many layers each
  /// as the rarest kind has, or as the commonest, where that is not much more.
  private static func split(_ counts: [LayerCount]) -> [LayerCount] {
    let sizes = counts.map(\.count)
    guard counts.count > 1, let least = sizes.min(), let most = sizes.max() else { return counts }
    let size = 2 * most < 3 * least ? most : least
    return counts.flatMap { kind, count in
      let groupCount = (count + size - 1) / size
      // Every n-th layer goes into one group, so that the first ones may have one more.
      return (0..<groupCount).map { (kind, (count - $0 + groupCount - 1) / groupCount) }
    }
  }
}
