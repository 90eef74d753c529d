import FoundationEssentials
import Synchronization

/// What the namespaces of a node are made of, to see why two engines do not share.
public struct NamespaceReport: Codable, Sendable {
  /// One namespace that an engine has attached with since the node began.
  public struct Entry: Codable, Sendable {
    public var digest: String
    /// The canonical description, JSON text as the engine gave it (docs/identity.md).
    public var description: String
  }

  /// In the order of their digests.
  public var namespaces: [Entry]

  /// The same as one JSON object.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension NamespaceReport {
  /// Reads what `json` wrote.
  ///
  /// - Throws: What the decoder found wrong.
  public init(json: String) throws {
    self = try JSONDecoder().decode(NamespaceReport.self, from: Data(json.utf8))
  }

  /// The fields in which two descriptions differ, as "path: first, second"; nil when one of them is
  /// no JSON object.
  public static func differences(_ first: String, _ second: String) -> [String]? {
    guard let one = DescriptionTree(first)?.flat, let other = DescriptionTree(second)?.flat else {
      return nil
    }
    return Set(one.keys).union(other.keys).sorted().compactMap { path in
      one[path] == other[path]
        ? nil : "\(path): \(one[path] ?? "(absent)"), \(other[path] ?? "(absent)")"
    }
  }
}

/// A JSON value, to be walked.
private indirect enum DescriptionTree: Decodable {
  case object([String: DescriptionTree])
  case list([DescriptionTree])
  case leaf(String)

  init?(_ text: String) {
    guard let tree = try? JSONDecoder().decode(DescriptionTree.self, from: Data(text.utf8)) else {
      return nil
    }
    self = tree
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let object = try? container.decode([String: DescriptionTree].self) {
      self = .object(object)
    } else if let list = try? container.decode([DescriptionTree].self) {
      self = .list(list)
    } else if let text = try? container.decode(String.self) {
      self = .leaf("\"\(text)\"")
    } else if let flag = try? container.decode(Bool.self) {
      self = .leaf(String(flag))
    } else if let number = try? container.decode(Double.self) {
      self = .leaf(number == number.rounded() ? String(Int(number)) : String(number))
    } else {
      self = .leaf("null")
    }
  }

  /// Every leaf by its path, as in "groups.0.heads".
  var flat: [String: String] {
    var found: [String: String] = [:]
    collect("", &found)
    return found
  }

  private func collect(_ path: String, _ found: inout [String: String]) {
    let prefix = path.isEmpty ? "" : path + "."
    switch self {
    case .leaf(let text): found[path] = text
    case .list(let items):
      for (index, item) in items.enumerated() { item.collect(prefix + String(index), &found) }
    case .object(let fields):
      for (name, value) in fields { value.collect(prefix + name, &found) }
    }
  }
}

extension NodeCore {
  /// The namespaces that engines have attached with.
  func namespaceReport() -> NamespaceReport {
    let entries = state.withLock { state in
      state.namespaces.values.filter { !$0.description.isEmpty }.map {
        NamespaceReport.Entry(
          digest: $0.namespace.digest.description,
          description: String(decoding: $0.description, as: UTF8.self))
      }
    }
    return NamespaceReport(namespaces: entries.sorted { $0.digest < $1.digest })
  }
}
