/// Why a geometry or a device layout is refused. Nothing was made when it is thrown.
public enum LayoutError: Error, Hashable, Sendable {
  /// A number that must be positive is not.
  case notPositive(field: String, value: Int)
  /// A number is beyond what the slot format or this library can hold.
  case tooLarge(field: String, value: Int, limit: Int)
  /// The bytes of a token do not split into K and V of whole elements.
  case unevenToken(tokenBytes: Int, elementBytes: Int)
  /// Another number of layers than the geometry has.
  case layerCount(expected: Int, found: Int)
  /// The rank's heads are not among the group's heads.
  case headRange(first: Int, count: Int, headCount: Int)
  /// A layer's strides are negative, or let two of its elements share bytes.
  case badStrides(layer: Int)
  /// A layer reaches beyond the address space.
  case addressRange(layer: Int)
  /// Two layers share bytes.
  case overlappingLayers(Int, Int)
}

extension LayoutError: CustomStringConvertible {
  /// One sentence that names the field, the value and what would be right.
  public var description: String {
    switch self {
    case .notPositive(let field, let value): "\(field) is \(value), it must be positive"
    case .tooLarge(let field, let value, let limit): "\(field) is \(value), at most \(limit)"
    case .unevenToken(let tokenBytes, let elementBytes):
      "a token's \(tokenBytes) bytes are not K and V of whole \(elementBytes)-byte elements"
    case .layerCount(let expected, let found): "\(found) layers given, the group has \(expected)"
    case .headRange(let first, let count, let headCount):
      "\(count) heads from \(first) on are not within the group's \(headCount) heads"
    case .badStrides(let layer): "layer \(layer) has negative strides or overlaps itself"
    case .addressRange(let layer): "layer \(layer) reaches beyond the address space"
    case .overlappingLayers(let a, let b): "layers \(a) and \(b) share bytes"
    }
  }
}
