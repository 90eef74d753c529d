/// A number of bytes as people write it: "512MiB", "20GB", "1.5 TiB", or a plain count.
///
/// Units of 1000 are kB, MB, GB, TB; of 1024 KiB, MiB, GiB, TiB. Case does not matter, a bare "K",
/// "M", "G" or "T" is refused because nobody agrees on what it means.
public struct ByteSize: Hashable, Sendable {
  /// The count of bytes.
  public var bytes: Int

  /// The size of so many bytes.
  public init(bytes: Int) { self.bytes = bytes }

  /// The size that a text names, or nil: not a number, negative, or beyond 2⁶² bytes.
  public init?(_ text: String) {
    let compact = text.filter { $0 != " " && $0 != "_" }
    let digits = compact.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = compact.dropFirst(digits.count).lowercased()
    guard let factor = Self.factors[unit], !digits.isEmpty else { return nil }
    if let whole = Int(digits) {
      let (bytes, overflows) = whole.multipliedReportingOverflow(by: factor)
      guard !overflows, bytes <= 1 << 62 else { return nil }
      self.bytes = bytes
      return
    }
    guard factor > 1, let number = Double(digits) else { return nil }
    let bytes = number * Double(factor)
    guard bytes >= 0, bytes <= Double(1 << 62) else { return nil }
    self.bytes = Int(bytes)
  }

  private static let factors: [String: Int] = [
    "": 1, "b": 1,
    "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
  ]
}

extension ByteSize: CustomStringConvertible {
  /// In the largest binary unit that leaves at least one, with one decimal where there is one.
  public var description: String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024 && unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0
      ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }
}
