/// Why a model's config.json cannot be planned with.
public enum ModelConfigError: Error, Equatable {
  /// It is no JSON object.
  case notJSON(String)
  /// A number that every plan needs is not there, under any of its names.
  case missing(String)
  /// A key has a value that makes no sense.
  case wrong(key: String, value: String, remedy: String)
  /// The model keeps its cache in a way that the plan would get wrong.
  case notUnderstood(key: String)
}

extension ModelConfigError: CustomStringConvertible {
  /// One sentence that names the key and what would be right.
  public var description: String {
    switch self {
    case .notJSON(let reason): "not a JSON object (\(reason))"
    case .missing(let key): "\(key) is missing; a language model's config.json has it"
    case .wrong(let key, let value, let remedy): "\(key) is \(value); it must be \(remedy)"
    case .notUnderstood(let key):
      "\(key) says that the layers differ in a way that this release has no figures for"
    }
  }
}
