import DiskTier
import KVLayout

/// Slots of earlier runs that are not used for their protection, over all extents.
struct UnusableSlots {
  private var lockedCounts: [UInt32: Int] = [:]
  private var unprotectedCount = 0

  /// Adds what an extent's scan found.
  mutating func add(_ scan: ExtentScan) {
    lockedCounts.merge(scan.lockedCounts, uniquingKeysWith: +)
    unprotectedCount += scan.unprotectedCount
  }

  /// A sentence for each kind, with what can be done.
  var lines: [String] {
    var lines: [String] = []
    if !lockedCounts.isEmpty {
      let counts = lockedCounts.sorted { ($0.value, $0.key) > ($1.value, $1.key) }
      let named = counts.prefix(4).map { "\(SlotProtection.text(ofKey: $0.key)): \($0.value)" }
      lines.append(
        "\(lockedCounts.values.reduce(0, +)) slots are protected with keys that are not at hand "
          + "(\(named.joined(separator: ", "))\(counts.count > 4 ? ", …" : "")) and are left "
          + "alone; add those keys to `keys`, or empty the directory")
    }
    if unprotectedCount > 0 {
      lines.append(
        "\(unprotectedCount) slots are not encrypted; they are not used, and written over as room "
          + "is needed. To be rid of them at once, empty the directory")
    }
    return lines
  }
}
