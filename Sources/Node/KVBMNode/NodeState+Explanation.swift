import BlockEngine
import BlockIdentity

extension NodeState {
  /// Notes what a match found, and why its prefix ends where it does.
  mutating func journal(
    _ match: Match, _ id: RequestID, _ entry: NamespaceEntry, name: String,
    firstPosition: Int, keys: [BlockKey], _ now: Time
  ) {
    let coveredCount = match.readyCount + match.pendingCount
    var missing: RequestJournal.Missing?
    if coveredCount < keys.count {
      missing = RequestJournal.Missing(
        position: firstPosition + coveredCount, key: keys[coveredCount],
        cause: cause(ofMissing: keys[coveredCount], entry))
    }
    requests.update(id, entry.namespace, now) { request in
      if !name.isEmpty { request.name = name }
      request.askedAt = now
      request.matchCount += 1
      request.firstPosition = firstPosition
      request.askedCount = keys.count
      request.readyCount = match.readyCount
      request.pendingCount = match.pendingCount
      request.firstMissing = missing
    }
  }

  /// Why a block is not offered.
  private func cause(ofMissing key: BlockKey, _ entry: NamespaceEntry) -> RequestJournal.Cause {
    for group in entry.places.indices {
      let presence = engine.presence(of: key, group: group, in: entry.id)
      if presence.contains(.host) { return .heldBack }
      if presence.contains(.arriving) { return .arriving }
      if presence.contains(.disk) { return .onDisk }
    }
    return .gone(
      host: removals.entry(key, group: 0, .host), disk: removals.entry(key, group: 0, .disk))
  }
}
