import Glibc
import KVLayout

extension DiskStore {
  /// What the last run's index says of an extent, if its file is as it was then. Once each.
  func claims(of extent: DiskExtent) -> [SlotNote]? {
    snapshot.withLock { snapshot in
      guard let claims = snapshot?.take(extent.name), claims.modified == extent.file.modified
      else { return nil }
      // Headers are read many at a time, and so faster than those few by one.
      let unread = claims.notes.count { $0.content == SlotNote.unread }
      return unread * 8 > claims.notes.count ? nil : claims.notes
    }
  }

  /// The scan that an index makes needless; nil when slots that are looked at disagree with it.
  func believe(
    _ claims: [SlotNote], _ extent: DiskExtent, _ scanner: SlotScanner
  ) -> ExtentScan? {
    let contexts = snapshot.withLock { $0?.contexts ?? [] }
    var result = ExtentScan()
    result.source = .snapshot
    let step = max(1, extent.slotCount / Self.lookCount)
    let first = Int.random(in: 0..<step)
    var noted = claims
    for (slot, claim) in claims.enumerated() {
      let finding: SlotScanner.Finding
      switch claim.finding(contexts) {
      case .success(let claimed):
        if slot % step == first {
          guard scanner.find(at: extent.offset(of: slot)) == claimed else { return nil }
        }
        finding = claimed
      case .failure: finding = scanner.find(at: extent.offset(of: slot))
      }
      result.add(slot, finding, options.protector)
      noted[slot] = notes.withLock { $0.note(finding) }
    }
    notes.withLock { [noted] in $0.enter(extent.id, noted) }
    raiseWriteSequence(to: result.blocks.lazy.map(\.description.writeSequence).max() ?? 0)
    return result
  }

  /// How many slots of an extent are looked at before its index is believed.
  private static let lookCount = 4

  /// Writes down what is at each slot. Without it the next run looks for itself.
  func leaveSnapshot() {
    let noted = notes.withLock { $0 }
    let snapshot = StoreSnapshot(noted, extents)
    guard !snapshot.extents.isEmpty, let bytes = snapshot.bytes(storeID: storeID) else { return }
    try? Directory.replace(layout.snapshotPath, with: bytes)
  }
}

extension SlotNote {
  /// Its header has to be read.
  struct Unread: Error {}

  /// What a look at the header finds, if the note is right.
  fileprivate func finding(
    _ contexts: [SlotDescription]
  ) -> Result<SlotScanner.Finding, Unread> {
    switch content {
    case Self.free: return .success(.header(.failure(.empty)))
    case Self.firstContext...:
      let number = Int(content - Self.firstContext)
      guard number < contexts.count else { return .failure(Unread()) }
      return .success(.header(.success(description(contexts[number]))))
    default: return .failure(Unread())
    }
  }
}

extension SlotNotes {
  /// The note of what was found at a slot. What is damaged or unreadable is looked at again.
  mutating func note(_ finding: SlotScanner.Finding) -> SlotNote {
    switch finding {
    case .header(.success(let description)): note(description)
    case .header(.failure(.empty)): SlotNote(content: SlotNote.free)
    case .header(.failure), .unreadable: SlotNote(content: SlotNote.unread)
    }
  }
}
