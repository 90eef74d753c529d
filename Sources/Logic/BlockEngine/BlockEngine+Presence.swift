/// Where a block is at a moment.
public struct Presence: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8

  /// The set of these bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Ready in the host tier.
  public static let host = Presence(rawValue: 1)
  /// Known on disk.
  public static let disk = Presence(rawValue: 2)
  /// On its way into the host tier.
  public static let arriving = Presence(rawValue: 4)
  /// Announced, and not on its way yet.
  public static let expected = Presence(rawValue: 8)
  /// Believed to be in the object store, which answers.
  public static let object = Presence(rawValue: 16)
  /// The object store is asked for it, and has not answered yet.
  public static let asked = Presence(rawValue: 32)
}

extension BlockEngine {
  /// Where a group's block of a key is now; changes nothing.
  public func presence(of key: BlockKey, group: Int, in namespace: NamespaceID) -> Presence {
    let number = Int(namespace.rawValue)
    guard number < namespaces.count, group < namespaces[number].count else { return [] }
    let place = namespaces[number][group]
    let name = key.inGroup(group)
    var presence: Presence = []
    if pools[.host, place.classID].pool.contains(name) { presence.insert(.host) }
    if pools[.disk, place.classID].pool.contains(name) { presence.insert(.disk) }
    if arriving[Place(classID: place.classID, key: name)] != nil { presence.insert(.arriving) }
    if expectations.entry(at: Place(classID: place.classID, key: name)) != nil {
      presence.insert(.expected)
    }
    if isStoredAsObject(name) { presence.insert(.object) }
    if objects != nil, objects!.asked[name] != nil { presence.insert(.asked) }
    return presence
  }
}
