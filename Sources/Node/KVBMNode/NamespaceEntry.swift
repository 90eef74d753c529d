import BlockEngine
import BlockIdentity
import KVLayout

/// A namespace that the node has seen, in an engine or on disk.
struct NamespaceEntry {
  /// The digest that the node knows it by.
  let namespace: Namespace
  /// The shape of each group's blocks, by group.
  var shapes: [Int: BlockShape] = [:]
  /// The window of each sliding group in tokens, by group; known once an engine has attached.
  var windows: [Int: Int] = [:]
  /// The class of each group's slots, in order; set by the first engine that attaches.
  var places: [GroupPlace] = []
  /// The number for calls of engines; of the disk's blocks until one attaches.
  var id: NamespaceID
  /// Who makes its blocks now.
  var producer = SlotProducer()

  /// The canonical description that an engine attached with; empty until then.
  var description: [UInt8] = []

  /// A namespace of which no group has been seen.
  init(_ namespace: Namespace, id: NamespaceID) {
    self.namespace = namespace
    self.id = id
  }
}
