import KVLayout
import Wire

/// One cache group of an engine that attaches, checked.
struct OpeningGroup {
  /// One block of all its layers and heads.
  let shape: BlockShape
  /// Tokens that a position of a sliding group attends to, itself included; nil for full attention.
  let windowTokens: Int?

  /// A group as the greeting describes it.
  ///
  /// - Throws: `refused`, naming the group and what cannot be.
  init(_ group: GroupDescription, index: Int) throws(NodeError) {
    switch (GroupGeometry.Kind(rawValue: group.kind), group.windowTokens) {
    case (.full, 0): windowTokens = nil
    case (.sliding, 2...): windowTokens = Int(group.windowTokens)
    case (.full, _), (.sliding, _):
      throw .refused(
        "group \(index) has a window of \(group.windowTokens) tokens; it must be at least 2 in a "
          + "sliding group, and 0 in others")
    case (.state, _):
      throw .refused("group \(index) keeps a recurrent state, which is not served so far")
    case (nil, _):
      throw .refused("group \(index) is of kind \(group.kind), which this node does not know")
    }
    do throws(LayoutError) {
      shape = try BlockShape(
        headCount: Int(group.headCount), layerCount: Int(group.layerCount),
        blockTokens: Int(group.blockTokens), tokenBytes: Int(group.tokenBytes),
        elementBytes: Int(group.elementBytes))
    } catch {
      throw .refused("group \(index): \(error)")
    }
  }

  /// Last blocks of a prefix that somebody needs who goes on behind it; nil for all of them.
  ///
  /// The next token sees the `windowTokens - 1` before it.
  var windowBlocks: Int? {
    windowTokens.map { ($0 - 1 + shape.blockTokens - 1) / shape.blockTokens }
  }
}
