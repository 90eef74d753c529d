import ArgumentParser
import KVBMNode

/// What is asked of the host tier: a size, or a share of what is free.
enum HostCapacity: Hashable {
  case size(ByteSize)
  /// Half of what is free when it is asked for.
  case automatic

  /// What a capacity must be: the rest of a sentence that begins "it must be".
  static let remedy = "\"auto\" or \(ByteSize.remedy)"

  /// Reads a size or `auto`; nil for anything else.
  init?(_ text: String) {
    if text == "auto" {
      self = .automatic
    } else if let size = ByteSize(text) {
      self = .size(size)
    } else {
      return nil
    }
  }

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> HostCapacity {
    guard let capacity = HostCapacity(text) else { throw ValidationError("it must be \(remedy)") }
    return capacity
  }

  /// `KVBM_HOST_CAPACITY`; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable() throws -> HostCapacity? {
    let name = "KVBM_HOST_CAPACITY"
    guard let text = Environment.text(name) else { return nil }
    guard let capacity = HostCapacity(text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return capacity
  }

  /// The size that this comes to on this machine now, beyond a reserve.
  ///
  /// - Throws: A validation error when too little is free, or nobody can tell how much.
  func resolved(reserveBytes: Int) throws -> ByteSize {
    switch self {
    case .size(let size): return size
    case .automatic:
      let available = AvailableMemory.bytes(reserveBytes: reserveBytes)
      guard let size = ConnectorArguments.automaticHost(availableBytes: available) else {
        throw ValidationError(
          "the host capacity \"auto\" comes to nothing: too little memory is free, or how much "
            + "cannot be told; give \(ByteSize.remedy)")
      }
      return size
    }
  }
}
