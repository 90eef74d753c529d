import Wire

extension CapacityPlan {
  /// The most ranks of one engine that the connector and the node take.
  static let rankCountMax = 32

  /// What of the model the connector does not cover in this release: the engine serves without it.
  ///
  /// The same list as in the connector's `geometry.py`, by what a config.json can tell.
  public var notCovered: [String] {
    var reasons: [String] = []
    for kind in groups.reduce(
      into: [Group.Kind](),
      { kinds, group in
        if !kinds.contains(group.kind) { kinds.append(group.kind) }
      })
    {
      switch kind {
      case .full, .latent, .sliding(.some(2...)): break
      case .sliding(1): reasons.append("a sliding window of 1 token")
      case .sliding: reasons.append("chunked local attention")
      case .slidingLatent: reasons.append("a sliding window over latents (MLA)")
      }
    }
    if groups.count > WireFormat.groupCountMax {
      reasons.append(
        "a model with \(groups.count) cache groups (up to \(WireFormat.groupCountMax) are)")
    }
    if model.layers.contains(.state) { reasons.append("layers with a recurrent state") }
    if element == .fp8 { reasons.append("a quantised KV cache") }
    if tensorParallel > Self.rankCountMax {
      reasons.append("tensor parallelism of \(tensorParallel) (up to \(Self.rankCountMax) is)")
    }
    return reasons
  }
}
