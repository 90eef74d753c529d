/// What one number of a KV cache is stored in.
public enum KVElement: String, Hashable, Sendable, CaseIterable {
  /// Two bytes each.
  case bfloat16, float16
  /// Four bytes.
  case float32
  /// One byte.
  case fp8

  /// Bytes of one element.
  public var bytes: Int {
    switch self {
    case .bfloat16, .float16: 2
    case .float32: 4
    case .fp8: 1
    }
  }

  /// The type that `--kv-dtype` or a model's `dtype` names; nil for one that is not known.
  public init?(name: String) {
    let plain = name.hasPrefix("torch.") ? String(name.dropFirst(6)) : name
    switch plain.lowercased() {
    case "bfloat16", "bf16": self = .bfloat16
    case "float16", "fp16", "half": self = .float16
    case "float32", "fp32", "float": self = .float32
    case "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc": self = .fp8
    default: return nil
    }
  }

  /// What an engine takes for `auto`: the weights' type, but bfloat16 for float32, as vLLM does.
  public init?(weights dtype: String) {
    guard let element = KVElement(name: dtype) else { return nil }
    self = element == .float32 ? .bfloat16 : element
  }

  /// What can be said for one: the rest of a sentence that begins "it must be".
  public static let remedy = "auto, \(allCases.map(\.rawValue).joined(separator: ", "))"
}
