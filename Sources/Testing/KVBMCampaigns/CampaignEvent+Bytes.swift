/// Events as bytes, for a pipe between the writer that is killed and who kills it.
extension CampaignEvent {
  /// Bytes of every event: less than a pipe takes in one piece, so that none is cut off.
  static let byteCount = 24

  /// The event's bytes.
  public var bytes: [UInt8] {
    let (kind, extent, slot, number): (UInt32, UInt32, Int, UInt64) =
      switch self {
      case .begun(let place, let number): (1, place.extent, place.slot, number)
      case .durable(let place, let number): (2, place.extent, place.slot, number)
      case .dropped(let extent): (3, extent, 0, 0)
      }
    var bytes = [UInt8](repeating: 0, count: Self.byteCount)
    bytes.withUnsafeMutableBytes { buffer in
      buffer.storeBytes(of: kind, as: UInt32.self)
      buffer.storeBytes(of: extent, toByteOffset: 4, as: UInt32.self)
      buffer.storeBytes(of: Int64(slot), toByteOffset: 8, as: Int64.self)
      buffer.storeBytes(of: number, toByteOffset: 16, as: UInt64.self)
    }
    return bytes
  }

  /// The event of these bytes; nil when they are none.
  init?(bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    let (kind, extent, slot, number) = bytes.withUnsafeBytes { buffer in
      (
        buffer.loadUnaligned(as: UInt32.self),
        buffer.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
        buffer.loadUnaligned(fromByteOffset: 8, as: Int64.self),
        buffer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
      )
    }
    let place = CampaignPlace(extent: extent, slot: Int(slot))
    switch kind {
    case 1: self = .begun(place, number: number)
    case 2: self = .durable(place, number: number)
    case 3: self = .dropped(extent: extent)
    default: return nil
    }
  }
}
