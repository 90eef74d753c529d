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
  func words(at time: Time, _ configuration: NodeConfiguration) -> String {
    switch self {
    case .heldBack:
      return "it is in host memory, but not offered: a load of this request failed before it"
    case .arriving:
      return "it is on its way to host memory, and the request's time to wait is over"
    case .onDisk:
      return "it is on disk, but not staged: the staging budget, the limit of reads, or the "
        + "request's time to wait is used up"
    case .inObjectStore:
      return "it is in the object store, but not fetched: the staging budget, the limit of gets, "
        + "or the request's time to wait is used up"
    case .asked:
      return "the object store was asked for it, and did not answer within the request's time to "
        + "wait"
    case .slower(let refusal, let isObject):
      let below = isObject ? "in the object store" : "on disk"
      let way = refusal.tier == .host ? "in host memory" : below
      let (load, compute) = (refusal.loadNanoseconds, refusal.computeNanoseconds)
      return "it is \(way), but slower than computing: \(Self.milliseconds(load)) to "
        + "\(refusal.tier == .host ? "load" : "read and load"), "
        + "\(Self.milliseconds(compute)) to compute \(refusal.positionCount) blocks"
    case .gone(let host, let disk):
      let history = [
        host.words(
          .host, at: time, configuration.eviction.host, configuration.hostAdmission),
        disk.words(
          .disk, at: time, configuration.eviction.disk, configuration.disk?.admission ?? .all),
      ].compactMap { $0 }
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

extension RequestJournal.Past {
  /// What happened later of the two, as in "evicted by the policy leaf-first from disk 3 s ago".
  fileprivate func words(
    _ tier: Tier, at time: Time, _ eviction: EvictionChoice, _ admission: AdmissionChoice
  ) -> String? {
    let name = tier == .host ? "host memory" : "disk"
    func age(_ then: Time) -> String {
      "\((time.nanoseconds &- then.nanoseconds) / 1_000_000_000) s ago"
    }
    if let removal, refusal.map({ $0.time < removal.time }) ?? true {
      return "\(removal.reason.words(eviction)) \(name) \(age(removal.time))"
    }
    return refusal.map { "not admitted to \(name) \(age($0.time)): \($0.reason.words(admission))" }
  }
}

extension RefusalReason {
  /// As in "seen once".
  fileprivate func words(_ admission: AdmissionChoice) -> String {
    switch self {
    case .policy:
      switch admission {
      case .all: "not wanted"
      case .seenTwice: "seen once"
      case .priority(let least): "its request called it worth less than \(least)"
      }
    case .outbid: "what is there is worth more"
    case .orphan: "the block before it is not there"
    case .budget: "the write budget was used up"
    case .overShare: "over its tenant's share"
    }
  }
}

extension RemovalReason {
  /// As in "evicted from host memory".
  fileprivate func words(_ choice: EvictionChoice) -> String {
    switch self {
    case .evicted: "evicted by the policy \(choice.rawValue) from"
    case .corrupt: "dropped as damaged from"
    case .overShare: "evicted within its tenant's share from"
    case .unreadable: "dropped as unreadable from"
    case .replaced: "replaced by a later copy on"
    case .retired: "given up with its extent's memory from"
    case .requested: "removed on request from"
    case .expired: "gone with its lease from"
    }
  }
}
