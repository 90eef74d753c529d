import CSlotFormat

/// What this release is and speaks.
public enum NodeVersion {
  /// The release, as in "0.1.0".
  public static let text = "0.1.0"
  /// The version of slot headers that this release writes; see docs/disk-format.md.
  public static let slotFormat = Int(KVBM_SLOT_FORMAT_VERSION)
}
