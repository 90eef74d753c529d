import Glibc

/// Times repeated work and keeps the best round: what the machine can do when it is left alone.
struct Measure {
  /// Nanoseconds of one unit in the best of several rounds.
  static func best(rounds: Int = 7, units: Int, _ body: () -> Void) -> Double {
    body()
    var best = Double.infinity
    for _ in 0..<rounds {
      let start = now
      body()
      best = min(best, Double(now - start) / Double(units))
    }
    return best
  }

  private static var now: Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}

/// One line of the report: a figure beside what it is compared with, in one run.
struct Row {
  let name: String
  let value: Double
  let unit: String
  /// The yardstick's figure, in the same unit.
  let yardstick: (name: String, value: Double)?

  var line: String {
    var text = pad(name, 46) + pad("\(rounded(value)) \(unit)", 16)
    if let yardstick {
      text += pad("\(yardstick.name) \(rounded(yardstick.value)) \(unit)", 30)
      text += "ratio \(rounded(value / yardstick.value))"
    }
    return text
  }

  private func rounded(_ number: Double) -> String {
    let tenths = Int((number * 100).rounded())
    return "\(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100)"
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
