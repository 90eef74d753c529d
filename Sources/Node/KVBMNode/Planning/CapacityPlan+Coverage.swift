extension CapacityPlan {
  /// The most ranks of one engine that the connector and the node take.
  static let rankCountMax = 32

  /// What of the model the connector does not cover in this release: the engine serves without it.
  ///
  /// The same list as in the connector's `geometry.py`, by what a config.json can tell.
  public var notCovered: [String] {
    var reasons: [String] = []
    for group in groups {
      switch group.kind {
      case .full: break
      case .latent: reasons.append("latent attention (MLA)")
      case .sliding(let window):
        reasons.append(window.map { "sliding-window layers (\($0) tokens)" } ?? "chunked attention")
      }
    }
    if model.layers.contains(.state) { reasons.append("layers with a recurrent state") }
    if groups.count > 1 || (model.layers.contains(.state) && !groups.isEmpty) {
      reasons.append("several cache groups (hybrid attention)")
    }
    if element == .fp8 { reasons.append("a quantised KV cache") }
    if tensorParallel > Self.rankCountMax {
      reasons.append("tensor parallelism of \(tensorParallel) (up to \(Self.rankCountMax) is)")
    }
    return reasons
  }
}
