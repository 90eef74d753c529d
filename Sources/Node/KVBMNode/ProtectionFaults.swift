import KVLayout

/// Slots of a tier that were refused for their protection, by reason. Only ever rises.
struct ProtectionFaults {
  /// Not as whoever has the key left them.
  var forged = 0
  /// Without the protection that was asked for.
  var unprotected = 0
  /// Protected with a key that is not at hand.
  var locked = 0

  /// Counts a fault, if it is of this kind.
  mutating func note(_ fault: SlotFault) {
    switch fault {
    case .forged: forged += 1
    case .unprotected: unprotected += 1
    case .header(.locked): locked += 1
    default: break
    }
  }

  /// The figures by name.
  var named: [(String, Int)] {
    [("forged", forged), ("unprotected", unprotected), ("locked", locked)]
  }
}
