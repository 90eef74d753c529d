import BlockEngine

extension RequestJournal.Missing {
  /// As in "group 1, a window of 256 tokens"; nil for full attention without other groups.
  var groupWords: String? {
    let kind = GroupWords.kind(windowTokens: windowTokens)
    if let group { return "group \(group), \(kind)" }
    return windowTokens == nil ? nil : kind
  }
}

extension RequestJournal.Cause {
  /// A few words; ages are counted back from the match, at `time`.
  func words(at time: Time, _ eviction: Eviction) -> String {
    switch self {
    case .heldBack:
      return "it is in host memory, but not offered: a load of this request failed before it"
    case .arriving:
      return "it is on its way to host memory, and the request's time to wait is over"
    case .onDisk:
      return "it is on disk, but not staged: the staging budget, the limit of reads, or the "
        + "request's time to wait is used up"
    case .slower(let refusal):
      let way = refusal.tier == .host ? "in host memory" : "on disk"
      let (load, compute) = (refusal.loadNanoseconds, refusal.computeNanoseconds)
      return "it is \(way), but slower than computing: \(Self.milliseconds(load)) to "
        + "\(refusal.tier == .host ? "load" : "read and load"), "
        + "\(Self.milliseconds(compute)) to compute \(refusal.positionCount) blocks"
    case .gone(let host, let disk):
      let history = [
        (host, "host memory", eviction.host), (disk, "disk", eviction.disk),
      ].compactMap { removal, tier, choice in
        removal.map { removal in
          let seconds = (time.nanoseconds &- removal.time.nanoseconds) / 1_000_000_000
          return "\(removal.reason.words(choice)) \(tier) \(seconds) s ago"
        }
      }
      return history.isEmpty
        ? "it was never stored here, or left longer ago than is remembered"
        : history.joined(separator: ", ")
    }
  }
}

extension RequestJournal.Cause {
  /// As in "12.3 ms".
  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    let tenths = (nanoseconds + 50_000) / 100_000
    return tenths >= 1_000 ? "\(tenths / 10) ms" : "\(tenths / 10).\(tenths % 10) ms"
  }
}

extension RemovalReason {
  /// As in "evicted from host memory".
  fileprivate func words(_ choice: EvictionChoice) -> String {
    switch self {
    case .evicted: "evicted by the policy \(choice.rawValue) from"
    case .corrupt: "dropped as damaged from"
    case .unreadable: "dropped as unreadable from"
    case .replaced: "replaced by a later copy on"
    case .retired: "given up with its extent's memory from"
    case .requested: "removed on request from"
    }
  }
}
