import CSlotFormat

/// What this release is and speaks.
public enum NodeVersion {
  public static let text = "0.1.0"
  public static let slotFormat = Int(KVBM_SLOT_FORMAT_VERSION)
}
