import BlockEngine
import BlockIdentity
import KVLayout

/// The tenants that a node has met, by the names that engines give them and by the tags that are on
/// disk. Guarded by the node's lock.
///
/// Named ones are there from the start; others come with their first request, or with the first
/// block of theirs that a scan finds. When there are as many as can be, the rest share the standard
/// tenant's part.
struct TenantTable {
  /// One tenant.
  struct Entry {
    let id: TenantID
    let tag: Bytes16
    /// Nil for one of whom only blocks on disk are known.
    var name: String?
  }

  /// Tenants of one node at most.
  static let countMax = 64

  /// Nil where the tiers are not shared.
  let settings: TenantSettings?
  /// By the engine's number.
  private(set) var entries: [Entry] = []
  private var ids: [Bytes16: TenantID] = [:]
  /// Names that found no place of their own.
  private(set) var unplacedCount = 0

  /// No tenants; `open` comes first.
  init(_ settings: TenantSettings?) { self.settings = settings }

  /// Opens the standard tenant and those that are named.
  mutating func open(in engine: inout BlockEngine) {
    guard settings != nil else { return }
    _ = id(of: TenantSettings.standardName, in: &engine)
    for tenant in settings?.named ?? [] { _ = id(of: tenant.name, in: &engine) }
  }

  /// The tenant of a name.
  mutating func id(of name: String, in engine: inout BlockEngine) -> TenantID {
    guard let settings else { return .standard }
    let tag = Self.tag(of: name)
    if let id = ids[tag] {
      entries[id.index].name = name
      return id
    }
    let share = settings.named.first { $0.name == name }?.share ?? settings.others
    return add(Entry(id: .standard, tag: tag, name: name), share, in: &engine)
  }

  /// The tenant of a tag on disk.
  mutating func id(of tag: Bytes16, in engine: inout BlockEngine) -> TenantID {
    guard let settings else { return .standard }
    return ids[tag] ?? add(Entry(id: .standard, tag: tag), settings.others, in: &engine)
  }

  private mutating func add(
    _ entry: Entry, _ share: TenantShare, in engine: inout BlockEngine
  ) -> TenantID {
    guard let id = engine.openTenant(share) else {
      unplacedCount += 1
      return .standard
    }
    ids[entry.tag] = id
    entries.append(Entry(id: id, tag: entry.tag, name: entry.name))
    return id
  }

  /// What is written into the headers of a tenant's blocks.
  func tag(of tenant: TenantID) -> Bytes16 {
    tenant.index < entries.count ? entries[tenant.index].tag : .zero
  }

  /// The name, or the beginning of the tag where no name is known.
  func name(of tenant: TenantID) -> String {
    guard tenant.index < entries.count else { return TenantSettings.standardName }
    let entry = entries[tenant.index]
    return entry.name ?? "tag:" + String(String(entry.tag.first.bigEndian, radix: 16).prefix(12))
  }

  /// Zero for the standard tenant, as on disks that nobody shares; otherwise a part of a digest.
  static func tag(of name: String) -> Bytes16 {
    if name == TenantSettings.standardName { return .zero }
    return Array(("kvbm tenant " + name).utf8).withUnsafeBytes { bytes in
      Digest(of: bytes).withBytes { Bytes16(bytes: $0.baseAddress!) }
    }
  }
}
