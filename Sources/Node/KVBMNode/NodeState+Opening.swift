import BlockEngine
import BlockIdentity
import HostTier
import KVLayout

extension NodeState {
  /// The class of slots of a size, opened when it is new.
  ///
  /// - Throws: `refused` with the reason when there can be no such class.
  mutating func openClass(
    slotBytes: Int, hostCapacityBytes: Int, diskCapacityBytes: Int?
  ) throws(NodeError) -> ClassID {
    if let known = classes.first(where: { $0.slotBytes == slotBytes }) { return known.id }
    let memory: HostMemory
    do throws(HostTierError) {
      memory = try HostMemory(
        name: "kvbm-host-\(slotBytes)", slotBytes: slotBytes, capacityBytes: hostCapacityBytes,
        extentBytes: Self.extentBytes(hostCapacityBytes))
    } catch {
      throw .refused(
        "the host tier of \(ByteSize(bytes: hostCapacityBytes)) cannot hold blocks of "
          + "\(ByteSize(bytes: slotBytes)): \(error). Raise host.capacity.")
    }
    // Twice what fits: extents of unequal lengths come and go and leave holes.
    let diskSlotLimit = diskCapacityBytes.map { 2 * ($0 / slotBytes) + 64 } ?? 0
    guard
      let id = engine.openClass(
        slotBytes: slotBytes, hostSlotLimit: memory.slotCount, diskSlotLimit: diskSlotLimit)
    else { throw .refused("the node serves too many block sizes already") }
    classes.append(SlotClass(id: id, memory: memory, diskSlotLimit: diskSlotLimit))
    return id
  }

  /// Extents small enough that several models can share a tier, large enough to be few.
  private static func extentBytes(_ capacityBytes: Int) -> Int {
    max(1 << 20, min(64 << 20, capacityBytes / 16))
  }

  /// The namespace of an engine that attaches, with a class for each group.
  mutating func openNamespace(
    _ namespace: Namespace, description: [UInt8], groups: [OpeningGroup], places: [GroupPlace],
    producer: SlotProducer
  ) throws(NodeError) -> NamespaceEntry {
    let entry = namespaces[namespace]
    for (group, opening) in groups.enumerated() {
      if let known = entry?.shapes[group], known != opening.shape {
        throw .refused(
          "the namespace is in use with other shapes for group \(group): its description "
            + "must differ where shapes do")
      }
      // Before an engine has attached, windows are not known: slots on disk do not tell.
      if let entry, !entry.places.isEmpty, entry.windows[group] != opening.windowTokens {
        throw .refused(
          "the namespace is in use with another window for group \(group): its description "
            + "must differ where windows do")
      }
    }
    var opened: NamespaceEntry
    if let entry { opened = entry } else { opened = try newEntry(namespace) }
    if opened.places != places {
      // Other groups under one name, which no engine should have: a number of its own.
      if !engine.place(places, of: opened.id) { opened.id = try newID(namespace) }
      engine.place(places, of: opened.id)
      opened.places = places
    }
    for (group, opening) in groups.enumerated() {
      opened.shapes[group] = opening.shape
      opened.windows[group] = opening.windowTokens
    }
    opened.producer = producer
    opened.description = description
    namespaces[namespace] = opened
    return opened
  }

  /// The number of a namespace that a scan of the disk met; nil when there is no room for more.
  mutating func scannedNamespace(
    _ namespace: Namespace, group: Int, shape: BlockShape
  ) -> NamespaceID? {
    guard var entry = try? namespaces[namespace] ?? newEntry(namespace) else { return nil }
    // Two shapes under one name: the first one seen counts, the other is as if not there.
    if let known = entry.shapes[group], known != shape { return nil }
    entry.shapes[group] = shape
    namespaces[namespace] = entry
    return entry.id
  }

  private mutating func newEntry(_ namespace: Namespace) throws(NodeError) -> NamespaceEntry {
    NamespaceEntry(namespace, id: try newID(namespace))
  }

  private mutating func newID(_ namespace: Namespace) throws(NodeError) -> NamespaceID {
    guard let id = engine.openNamespace() else {
      throw .refused("the node serves too many namespaces already")
    }
    while namespaceOfID.count <= Int(id.rawValue) { namespaceOfID.append(namespace) }
    namespaceOfID[Int(id.rawValue)] = namespace
    return id
  }
}
