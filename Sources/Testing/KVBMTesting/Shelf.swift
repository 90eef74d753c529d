import BlockEngine

/// The pretend object store that nodes share: whole objects under names, written once.
final class Shelf {
  private var objects: [BlockKey: DiskImage] = [:]
  /// In the order in which they came: a dictionary's order is not the seed's.
  private var names: [BlockKey] = []
  /// Until these steps nothing is answered, and everything takes its time.
  var outBefore = 0
  var slowBefore = 0
  /// It has forgotten everything, and takes nothing to heart: so that only disks can bring back.
  var isHidden = false
  /// What a node has stored while nothing went wrong, for another one to find.
  var proof: Proof?

  /// A prompt all of whose blocks are here.
  struct Proof {
    let namespace: Int
    let root: BlockKey
    let keys: [BlockKey]
  }

  func contains(_ record: BlockRecord) -> Bool { self[record] != nil }

  subscript(record: BlockRecord) -> DiskImage? { isHidden ? nil : objects[Self.name(record)] }

  /// Adds an object; one that is there already stays.
  func put(_ image: DiskImage) {
    let name = Self.name(image.record)
    guard !isHidden, objects[name] == nil else { return }
    objects[name] = image
    names.append(name)
  }

  func delete(_ record: BlockRecord) { delete(Self.name(record)) }

  private func delete(_ name: BlockKey) {
    guard objects.removeValue(forKey: name) != nil else { return }
    names.removeAll { $0 == name }
  }

  /// Whoever looks after the store deletes some object.
  func deleteAny(_ random: inout Random) {
    guard !names.isEmpty else { return }
    delete(names[random.below(names.count)])
  }

  func flipBit(_ random: inout Random) {
    guard !names.isEmpty else { return }
    let name = names[random.below(names.count)]
    objects[name]?.parts[random.below(Machine.partCountMax)] ^= 1 << UInt64(random.below(64))
  }

  /// Under one name lies what belongs under another.
  func mixUp(_ random: inout Random) {
    guard !names.isEmpty else { return }
    let (name, other) = (names[random.below(names.count)], names[random.below(names.count)])
    objects[name] = objects[other]
  }

  private static func name(_ record: BlockRecord) -> BlockKey {
    record.key.inGroup(Int(record.group))
  }
}
