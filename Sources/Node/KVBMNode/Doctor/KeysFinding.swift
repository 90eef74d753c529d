import KVLayout
import Protection

/// Whether there are keys to protect blocks with, and how fast this machine does it.
public enum KeysFinding {
  private static let slowGigabytesPerSecond = 0.5

  /// Reads the keys, and encrypts some memory.
  public static func check(source: String) -> [Finding] {
    do throws(KeyError) {
      let keys = try KeyRing(source: source)
      let others = keys.keys.count - 1
      let text =
        "\(source): \(SlotProtection.text(ofKey: keys.current.id)) protects what is written"
        + (others > 0 ? ", \(others) more reveal what was" : "")
      return [.fine("keys", text), judge(ProtectionSpeed.measure(keys))]
    } catch {
      return [.failure("keys", error.reason, remedy: error.remedy)]
    }
  }

  /// A judgement of a speed in bytes a nanosecond. Pure.
  static func judge(_ speed: Double?) -> Finding {
    guard let speed else {
      return .failure(
        "encryption", "libcrypto does not encrypt here", remedy: "Please report this machine")
    }
    let tenths = Int(speed * 10 + 0.5)
    let text = "AES-256-GCM at \(tenths / 10).\(tenths % 10) GB/s a thread"
    return speed < slowGigabytesPerSecond
      ? .warning(
        "encryption", text, remedy: "A processor with AES instructions is ten times as fast")
      : .fine("encryption", text)
  }
}
