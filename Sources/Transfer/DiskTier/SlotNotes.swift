import BlockIdentity
import KVLayout
import Synchronization

/// What a store knows of a slot without reading it. Only ever believed as far as a scan is: what a
/// block's bytes are is proven when they are read.
struct SlotNote: BitwiseCopyable {
  /// What stands at the slot: `unread`, `free`, or `firstContext` and more for a block,
  /// of which that context says the rest.
  var content: UInt32
  var position: UInt32 = 0
  var priority: Int32 = 0
  private var reserved: UInt32 = 0
  var key = BlockKey.none
  var parentKey = BlockKey.none
  var writeSequence: UInt64 = 0
  var created: Int64 = 0
  var lastUsed: Int64 = 0
  var expires: Int64 = 0

  /// Its header has to be looked at.
  static let unread: UInt32 = 0
  /// It may be written.
  static let free: UInt32 = 1
  /// Blocks count from here.
  static let firstContext: UInt32 = 2

  /// A slot without a block.
  init(content: UInt32) { self.content = content }

  /// A block's slot; `context` is what the description has in common with others.
  init(_ description: SlotDescription, context: UInt32) {
    content = Self.firstContext + context
    position = description.position
    priority = description.priority
    key = description.key
    parentKey = description.parentKey
    writeSequence = description.writeSequence
    created = description.createdUnixNanoseconds
    lastUsed = description.lastUsedUnixNanoseconds
    expires = description.expiresUnixNanoseconds
  }

  /// What the header of a block's slot says, of which `context` says the rest.
  func description(_ context: SlotDescription) -> SlotDescription {
    var result = context
    result.position = position
    result.priority = priority
    result.key = key
    result.parentKey = parentKey
    result.writeSequence = writeSequence
    result.createdUnixNanoseconds = created
    result.lastUsedUnixNanoseconds = lastUsed
    result.expiresUnixNanoseconds = expires
    return result
  }
}

/// Notes of all slots of a store, kept while it is open, for the snapshot at its end.
struct SlotNotes: Sendable {
  /// What blocks have in common, by number: their namespace, shape, producer.
  private(set) var contexts: [SlotDescription] = []
  private var numbers: [SlotDescription: UInt32] = [:]
  /// By extent, one for each slot; an extent that is not here was not looked at.
  private(set) var extents: [UInt32: [SlotNote]] = [:]

  /// Beyond it blocks stay unread: so many models one store does not have.
  private static let contextCountMax = 4096

  /// An extent is new, and its slots are free; or they are what a snapshot or a scan says.
  mutating func enter(_ extent: UInt32, _ notes: [SlotNote]) { extents[extent] = notes }

  /// An extent is gone.
  mutating func remove(_ extent: UInt32) { extents[extent] = nil }

  /// A slot has another content; nothing is noted of extents that are not here.
  mutating func set(_ extent: UInt32, _ slot: Int, content: UInt32) {
    extents[extent]?[slot] = SlotNote(content: content)
  }

  /// A slot has a block.
  mutating func set(_ extent: UInt32, _ slot: Int, _ description: SlotDescription) {
    guard extents[extent] != nil else { return }
    let note = note(description)
    extents[extent]?[slot] = note
  }

  /// A block's note; an unread slot's when there are too many kinds of blocks.
  mutating func note(_ description: SlotDescription) -> SlotNote {
    var context = SlotDescription(
      namespace: description.namespace, key: .none, group: description.group,
      shape: description.shape)
    context.tenantTag = description.tenantTag
    context.partCount = description.partCount
    context.producer = description.producer
    if let number = numbers[context] {
      let note = SlotNote(description, context: number)
      return note.description(context) == description ? note : SlotNote(content: SlotNote.unread)
    }
    guard contexts.count < Self.contextCountMax else { return SlotNote(content: SlotNote.unread) }
    numbers[context] = UInt32(contexts.count)
    contexts.append(context)
    return note(description)
  }
}

/// Notes that the driver's threads write into.
final class SlotNoteBook: Sendable {
  private let notes = Mutex(SlotNotes())

  /// Runs `body` under the lock.
  func withLock<Result: Sendable>(_ body: (inout SlotNotes) -> Result) -> Result {
    notes.withLock { notes in body(&notes) }
  }

  /// A block was written, or it is not noted what the slot holds now.
  func noteWrite(
    of description: SlotDescription, at slot: Int, of extent: UInt32, isNoted: Bool
  ) {
    withLock { notes in
      if isNoted {
        notes.set(extent, slot, description)
      } else {
        notes.set(extent, slot, content: SlotNote.unread)
      }
    }
  }
}
