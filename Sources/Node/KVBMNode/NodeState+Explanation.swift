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
        reason: reason(forMissing: keys[coveredCount], entry, now))
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

  /// Why a block is not offered, in a few words.
  private func reason(
    forMissing key: BlockKey, _ entry: NamespaceEntry, _ now: Time
  ) -> String {
    for group in entry.places.indices {
      let presence = engine.presence(of: key, group: group, in: entry.id)
      if presence.contains(.host) {
        return "it is in host memory, but not offered: a load of this request failed before it"
      }
      if presence.contains(.arriving) {
        return "it is on its way to host memory, and the request's time to wait is over"
      }
      if presence.contains(.disk) {
        return "it is on disk, but not staged: the staging budget, the limit of reads, or the "
          + "request's time to wait is used up"
      }
    }
    var history: [String] = []
    for (tier, name) in [(Tier.host, "host memory"), (.disk, "disk")] {
      guard let removal = removals.entry(key, group: 0, tier) else { continue }
      let seconds = (now.nanoseconds &- removal.time.nanoseconds) / 1_000_000_000
      history.append("\(removal.reason.words) \(name) \(seconds) s ago")
    }
    return history.isEmpty
      ? "it was never stored here, or left longer ago than is remembered"
      : history.joined(separator: ", ")
  }
}

extension RemovalReason {
  /// As in "evicted from host memory".
  fileprivate var words: String {
    switch self {
    case .evicted: "evicted by the policy leaf-first from"
    case .corrupt: "dropped as damaged from"
    case .unreadable: "dropped as unreadable from"
    case .replaced: "replaced by a later copy on"
    case .retired: "given up with its extent's memory from"
    case .requested: "removed on request from"
    }
  }
}
