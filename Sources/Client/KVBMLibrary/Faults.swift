import Glibc

/// Faults that a test build plants, one at a time by name, to prove that the tests would see them.
///
/// A release build has none of this: `isSet` is false there at compile time.
enum Faults {
  /// What can be planted; the raw value is the name in `KVBM_FAULT`.
  enum Kind: String, CaseIterable {
    /// Blocks are stored from one token before their place.
    case shift
    /// The last head of a block is not loaded.
    case drop
    /// Loads are reported as done and nothing is copied.
    case lie
    /// Loads bring the layers in reverse order.
    case layer
    /// Keys ignore the request's salt.
    case salt
    /// Keys ignore what tokens stand for.
    case content
    /// The first two groups of a load get each other's blocks.
    case group
    /// The first block of a sliding group's window is not loaded.
    case window
    /// A rank stores its heads at the place of the next rank's.
    case rank
    /// Device blocks are overwritten while copies of them are pending.
    case early
  }

  #if KVBM_FAULTS
    private static let planted: Kind? = value("KVBM_FAULT").flatMap(Kind.init(rawValue:))
    private static let copyDelayMicroseconds =
      value("KVBM_TEST_COPY_DELAY_US").flatMap { UInt32($0) } ?? 0

    /// Whether this fault is the planted one.
    static func isSet(_ kind: Kind) -> Bool { planted == kind }

    /// Whether copies are made slow; then threads make all of them, as they make large ones.
    static var delaysCopies: Bool { copyDelayMicroseconds > 0 }

    /// Makes copies slow, so that races have room.
    static func delayCopy() {
      if copyDelayMicroseconds > 0 { usleep(copyDelayMicroseconds) }
    }

    /// A load's rows, with `group` or `window` planted into them.
    static func planted(_ rows: [Plan.Row], _ config: EngineConfig) -> [Plan.Row] {
      var rows = rows
      if isSet(.window) {
        for group in rows.indices where config.isSliding(group) && !rows[group].copies.isEmpty {
          rows[group].copies.removeFirst()
          rows[group].firstBlock += 1
        }
      }
      if isSet(.group), rows.count > 1 {
        // From the end: the rows have that in common, whatever their windows.
        let count = min(rows[0].copies.count, rows[1].copies.count)
        for back in stride(from: 1, through: count, by: 1) {
          let (first, second) = (rows[0].copies.count - back, rows[1].copies.count - back)
          let block = rows[0].copies[first].deviceBlock
          rows[0].copies[first].deviceBlock = rows[1].copies[second].deviceBlock
          rows[1].copies[second].deviceBlock = block
        }
      }
      return rows
    }

    private static func value(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }
    }
  #else
    /// Never.
    @inline(__always) static func isSet(_ kind: Kind) -> Bool { false }
    /// Never.
    static var delaysCopies: Bool { @inline(__always) get { false } }
    /// Nothing.
    @inline(__always) static func delayCopy() {}
    /// The rows as they are.
    @inline(__always)
    static func planted(_ rows: [Plan.Row], _ config: EngineConfig) -> [Plan.Row] { rows }
  #endif
}
