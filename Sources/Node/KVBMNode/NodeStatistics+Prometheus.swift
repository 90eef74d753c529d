extension NodeStatistics {
  /// The same in Prometheus's text form, every name with the prefix `kvbm_node_`.
  ///
  /// Counters end in `_total`; slots are labelled with tier, slot size and state;
  /// `kvbm_node_degraded` is 1 for each reason that holds and absent otherwise.
  public var prometheus: String {
    var text = PrometheusText()
    text.family("up_seconds", .gauge, "Seconds since the node began.")
    text.sample("up_seconds", uptimeSeconds)
    text.family("sessions", .gauge, "Engines that are attached.")
    text.sample("sessions", Double(sessions))
    text.family("capacity_bytes", .gauge, "Bytes that a tier was given.")
    text.sample("capacity_bytes", Double(hostCapacityBytes), [("tier", "host")])
    text.sample("capacity_bytes", Double(diskCapacityBytes), [("tier", "disk")])
    text.family("allocated_bytes", .gauge, "Bytes that a tier has taken.")
    text.sample("allocated_bytes", Double(hostPopulatedBytes), [("tier", "host")])
    text.sample("allocated_bytes", Double(diskExtentBytes), [("tier", "disk")])
    text.family("pending_writes", .gauge, "Blocks that are to be written to disk.")
    text.sample("pending_writes", Double(pendingWrites))
    text.family("slots", .gauge, "Slots by state.")
    for tier in tiers {
      for (state, count) in tier.states {
        text.sample(
          "slots", Double(count),
          [("tier", tier.tier), ("slot_bytes", String(tier.slotBytes)), ("state", state)])
      }
    }
    text.family("degraded", .gauge, "Why the node does less than it was asked to.")
    for reason in degraded { text.sample("degraded", 1, [("reason", reason)]) }
    for (name, value) in counters.sorted(by: { $0.key < $1.key }) {
      text.family(name + "_total", .counter, "See docs/operations.md.")
      text.sample(name + "_total", Double(value))
    }
    return text.lines.joined(separator: "\n")
  }
}

extension NodeStatistics.TierFigures {
  /// Counts by the name of their state.
  fileprivate var states: [(String, Int)] {
    [
      ("free", free), ("filling", filling), ("pinned", pinned), ("cached", cached),
      ("quarantined", quarantined),
    ]
  }
}

/// Lines of the exposition format, version 0.0.4.
private struct PrometheusText {
  enum Kind: String {
    case counter
    case gauge
  }

  private(set) var lines: [String] = []

  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    lines.append("# HELP kvbm_node_\(name) \(help)")
    lines.append("# TYPE kvbm_node_\(name) \(kind.rawValue)")
  }

  mutating func sample(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
    let number = value == value.rounded() ? String(Int(value)) : String(value)
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    lines.append("kvbm_node_\(name)\(list.isEmpty ? "" : "{\(list)}") \(number)")
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for letter in text {
      switch letter {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.append(letter)
      }
    }
    return escaped
  }
}
