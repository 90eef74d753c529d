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
    if let diskDriver {
      text.family("disk_driver", .gauge, "Who reads and writes the disk.")
      text.sample("disk_driver", 1, [("driver", diskDriver)])
    }
    text.family("pending_writes", .gauge, "Blocks that are to be written to disk.")
    text.sample("pending_writes", Double(pendingWrites))
    addObject(to: &text)
    text.family("slots", .gauge, "Slots by state.")
    for tier in tiers {
      for (state, count) in tier.states {
        text.sample(
          "slots", Double(count),
          [("tier", tier.tier), ("slot_bytes", String(tier.slotBytes)), ("state", state)])
      }
    }
    text.family("retained_blocks", .gauge, "Blocks that requests asked to keep, by how.")
    for tier in tiers {
      for (how, count) in [("above_normal", tier.retained), ("pinned", tier.keptUntil)] {
        guard let count else { continue }
        text.sample(
          "retained_blocks", Double(count),
          [("tier", tier.tier), ("slot_bytes", String(tier.slotBytes)), ("how", how)])
      }
    }
    text.family("degraded", .gauge, "Why the node does less than it was asked to.")
    for reason in degraded { text.sample("degraded", 1, [("reason", reason)]) }
    for (name, value) in counters.sorted(by: { $0.key < $1.key }) {
      text.family(name + "_total", .counter, "See docs/operations.md.")
      text.sample(name + "_total", Double(value))
    }
    addTenants(to: &text)
    addRemovals(to: &text)
    addRefusals(to: &text)
    addLatencies(to: &text)
    addSpeeds(to: &text)
    addKVBM(to: &text)
    return text.lines.joined(separator: "\n")
  }

  private func addObject(to text: inout PrometheusText) {
    guard let object else { return }
    text.family("object_store", .gauge, "How the node stands with the object store.")
    text.sample("object_store", 1, [("state", object.state)])
    text.family("pending_puts", .gauge, "Blocks that are to be put into the object store.")
    text.sample("pending_puts", Double(object.pendingPuts))
    text.family("object_store_bytes", .gauge, "What the last sweep found there, of all nodes.")
    text.sample("object_store_bytes", Double(object.bytes))
  }

  private func addTenants(to text: inout PrometheusText) {
    guard let tenants else { return }
    text.family("tenant_blocks", .gauge, "Blocks that a tenant pays for, and may have, by what.")
    for of in tenants {
      let labels = [("tenant", of.tenant), ("tier", of.tier), ("slot_bytes", String(of.slotBytes))]
      for (what, count) in [("held", of.blocks), ("limit", of.limit), ("reserved", of.reserved)] {
        text.sample("tenant_blocks", Double(count), labels + [("what", what)])
      }
    }
  }

  private func addRemovals(to text: inout PrometheusText) {
    guard let removals else { return }
    text.family("removed_blocks_total", .counter, "Blocks that left a tier, by reason.")
    for removal in removals {
      text.sample(
        "removed_blocks_total", Double(removal.blocks),
        [("tier", removal.tier), ("reason", removal.reason)])
    }
  }

  /// The counters of what was not let in, under one name.
  private func addRefusals(to text: inout PrometheusText) {
    text.family("refused_blocks_total", .counter, "Blocks not let into a tier, by reason.")
    for (tier, reason, counter) in Self.refusals {
      let count = Double(counters[counter] ?? 0)
      text.sample("refused_blocks_total", count, [("tier", tier), ("reason", reason)])
    }
  }

  private static let refusals = [
    ("host", "policy", "stores_not_admitted"), ("host", "orphan", "stores_orphaned"),
    ("host", "share", "host_over_share"), ("disk", "share", "disk_over_share"),
    ("host", "queue", "stores_refused"), ("host", "exhausted", "host_exhausted"),
    ("disk", "policy", "writes_not_admitted"), ("disk", "orphan", "writes_orphaned"),
    ("disk", "budget", "writes_over_budget"), ("disk", "queue", "writes_dropped"),
    ("disk", "exhausted", "disk_exhausted"),
    ("object", "queue", "puts_dropped"), ("object", "lapsed", "puts_lapsed"),
    ("object", "failed", "puts_failed"), ("object", "late", "puts_timed_out"),
  ]

  private func addLatencies(to text: inout PrometheusText) {
    guard let latencies else { return }
    let moving = latencies.filter { $0.what != "match" }
    let fetched = counters["blocks_fetched"] ?? 0
    let staged = [("disk", (counters["blocks_staged"] ?? 0) - fetched), ("object", fetched)]
    text.family("staged_blocks_total", .counter, "Blocks for requests, by the tier that had them.")
    for (tier, count) in staged {
      text.sample("staged_blocks_total", Double(count), [("tier", tier)])
    }
    text.family("transferred_bytes_total", .counter, "Bytes that were moved, by way.")
    for way in moving { text.sample("transferred_bytes_total", Double(way.bytes), way.labels) }
    text.family("transferred_blocks_total", .counter, "Blocks that were moved, by way.")
    for way in moving { text.sample("transferred_blocks_total", Double(way.blocks), way.labels) }
    text.family("transfer_seconds", .histogram, "From the decision to the last report, by way.")
    for way in moving { way.add("transfer_seconds", to: &text, labels: way.labels) }
    text.family("match_seconds", .histogram, "From an engine's question to its answer.")
    for match in latencies where match.what == "match" {
      match.add("match_seconds", to: &text, labels: [])
    }
  }

  private func addSpeeds(to text: inout PrometheusText) {
    guard let speeds else { return }
    let paths = speeds.paths.filter { $0.bytesPerSecond != nil }
    text.family("path_bytes_per_second", .gauge, "Measured speed of a way, by engine for loads.")
    for path in paths {
      text.sample("path_bytes_per_second", path.bytesPerSecond ?? 0, path.labels)
    }
    text.family("path_fixed_seconds", .gauge, "What a transfer takes however small it is.")
    for path in paths { text.sample("path_fixed_seconds", path.fixedSeconds ?? 0, path.labels) }
    text.family("prefill_tokens_per_second", .gauge, "Measured speed of an engine's prefill.")
    for prefill in speeds.prefills {
      guard let speed = prefill.tokensPerSecond else { continue }
      text.sample("prefill_tokens_per_second", speed, [("engine", String(prefill.engine))])
    }
  }

  /// Names that dashboards for Dynamo's KVBM ask for, where the meaning is the same.
  private func addKVBM(to text: inout PrometheusText) {
    guard let latencies else { return }
    text.prefix = "kvbm_"
    func blocks(_ what: String) -> Double {
      Double(latencies.first { $0.what == what }?.blocks ?? 0)
    }
    text.family("matched_tokens", .counter, "Tokens that engines were promised.")
    text.sample("matched_tokens", Double(counters["matched_tokens"] ?? 0))
    text.family("offload_blocks_d2h", .counter, "Blocks from device to host memory.")
    text.sample("offload_blocks_d2h", blocks("store"))
    text.family("offload_blocks_h2d", .counter, "Blocks from host memory to disk.")
    text.sample("offload_blocks_h2d", blocks("write"))
    text.family("onboard_blocks_h2d", .counter, "Blocks from host memory to device.")
    text.sample("onboard_blocks_h2d", blocks("load"))
  }
}

extension NodeStatistics.LatencyFigures {
  fileprivate var labels: [(String, String)] { [("way", what)] }

  /// A histogram's samples: each range has all that is below it too.
  fileprivate func add(
    _ name: String, to text: inout PrometheusText, labels: [(String, String)]
  ) {
    var sum = 0
    for (index, count) in counts.enumerated() {
      sum += count
      let bounds = NodeStatistics.latencyBounds
      let end = index < bounds.count ? PrometheusText.number(bounds[index]) : "+Inf"
      text.sample(name + "_bucket", Double(sum), labels + [("le", end)])
    }
    text.sample(name + "_sum", seconds, labels)
    text.sample(name + "_count", Double(sum), labels)
  }
}

extension SpeedFigures.Path {
  fileprivate var labels: [(String, String)] {
    [("way", way)] + (engine.map { [("engine", String($0))] } ?? [])
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
    case histogram
  }

  /// What every name begins with.
  var prefix = "kvbm_node_"
  private(set) var lines: [String] = []

  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    lines.append("# HELP \(prefix)\(name) \(help)")
    lines.append("# TYPE \(prefix)\(name) \(kind.rawValue)")
  }

  mutating func sample(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    lines.append("\(prefix)\(name)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))")
  }

  /// A number as the format has it.
  static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
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
