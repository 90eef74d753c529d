/// What a writer tells of its work, before and after it happens.
public enum CampaignEvent: Hashable, Sendable {
  /// A block is about to be written.
  case begun(CampaignPlace, number: UInt64)
  /// The store said that it is written, and durable where writes are flushed.
  case durable(CampaignPlace, number: UInt64)
  /// An extent is about to be deleted.
  case dropped(extent: UInt32)
}

/// What may and what must be on disk when the writer is cut off, from what it told until then.
///
/// Of each place: the block that was told to be durable, and those whose writing began after it.
public struct Ledger: Sendable {
  private struct Entry {
    var durable: UInt64?
    var begun: [UInt64] = []
  }

  private var entries: [CampaignPlace: Entry] = [:]

  /// Nothing was written.
  public init() {}

  /// Takes an event in; those of one place come in order.
  public mutating func note(_ event: CampaignEvent) {
    switch event {
    case .begun(let place, let number): entries[place, default: Entry()].begun.append(number)
    case .durable(let place, let number): entries[place] = Entry(durable: number)
    case .dropped(let extent):
      for (place, entry) in entries where place.extent == extent {
        entries[place] = Entry(begun: entry.begun + (entry.durable.map { [$0] } ?? []))
      }
    }
  }

  /// Blocks that must be there: durable, and nothing else was begun at their place.
  var demanded: [CampaignPlace: UInt64] {
    entries.compactMapValues { $0.begun.isEmpty ? $0.durable : nil }
  }

  /// Whether a place may hold this block.
  func allows(_ number: UInt64, at place: CampaignPlace) -> Bool {
    guard let entry = entries[place] else { return false }
    return entry.durable == number || entry.begun.contains(number)
  }

  /// Whether a place may hold anything, torn blocks included: a write to it was cut off.
  func isUndecided(_ place: CampaignPlace) -> Bool {
    entries[place].map { !$0.begun.isEmpty } ?? false
  }

  /// After a restart: these blocks are there, and will be at the next one. What else was begun may
  /// still lie about, torn.
  mutating func settle(_ found: [CampaignPlace: UInt64]) {
    for (place, number) in found { entries[place] = Entry(durable: number) }
    for (place, entry) in entries where found[place] == nil {
      entries[place] = Entry(begun: entry.begun + (entry.durable.map { [$0] } ?? []))
    }
  }
}
