import BlockEngine
import BlockIdentity

extension NodeState {
  /// Notes what a match found, and why its prefix ends where it does.
  mutating func journal(
    _ match: Match, _ id: RequestID, _ entry: NamespaceEntry, name: String,
    firstPosition: Int, keys: [BlockKey], _ now: Time
  ) {
    let coveredCount = match.readyCount + match.pendingCount
    let missing =
      coveredCount < keys.count ? missing(keys, coveredCount, firstPosition, entry) : nil
    requests.update(id, entry.namespace, now) { request in
      if !name.isEmpty { request.name = name }
      request.askedAt = now
      request.matchCount += 1
      request.firstPosition = firstPosition
      request.askedCount = keys.count
      request.readyCount = match.readyCount
      request.pendingCount = match.pendingCount
      request.firstMissing = missing
      if !request.retentions.isEmpty {
        request.trail.note(keys.prefix(match.readyCount), from: firstPosition)
      }
    }
  }

  /// The block that a longer prefix lacks.
  private func missing(
    _ keys: [BlockKey], _ coveredCount: Int, _ firstPosition: Int, _ entry: NamespaceEntry
  ) -> RequestJournal.Missing {
    if let refusal = engine.refusal {
      return RequestJournal.Missing(
        position: firstPosition + coveredCount, key: keys[coveredCount], group: nil,
        windowTokens: nil,
        cause: .slower(refusal, isObject: isOnlyObject(keys[coveredCount], entry)))
    }
    let search = ShortfallSearch(windows: entry.places.map(\.windowBlocks))
    let (group, index) = search.place(coveredCount: coveredCount, askedCount: keys.count) {
      engine.presence(of: keys[$1], group: $0, in: entry.id)
    }
    return RequestJournal.Missing(
      position: firstPosition + index, key: keys[index],
      group: entry.places.count > 1 ? group : nil, windowTokens: entry.windows[group],
      cause: cause(ofMissing: keys[index], group, entry))
  }

  /// Why a block is not offered.
  private func cause(
    ofMissing key: BlockKey, _ group: Int, _ entry: NamespaceEntry
  ) -> RequestJournal.Cause {
    let presence = engine.presence(of: key, group: group, in: entry.id)
    if presence.contains(.host) { return .heldBack }
    if presence.contains(.arriving) { return .arriving }
    if presence.contains(.disk) { return .onDisk }
    if presence.contains(.object) { return .inObjectStore }
    if presence.contains(.asked) { return .asked }
    return .gone(host: past(of: key, group, .host), disk: past(of: key, group, .disk))
  }

  /// Whether of all tiers only the object store has some group's block.
  private func isOnlyObject(_ key: BlockKey, _ entry: NamespaceEntry) -> Bool {
    entry.places.indices.contains { group in
      engine.presence(of: key, group: group, in: entry.id) == .object
    }
  }

  private func past(of key: BlockKey, _ group: Int, _ tier: Tier) -> RequestJournal.Past {
    RequestJournal.Past(
      removal: removals.entry(key, group: group, tier),
      refusal: refusals.entry(key, group: group, tier))
  }
}
