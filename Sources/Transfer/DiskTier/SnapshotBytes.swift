import KVLayout

/// Puts a snapshot's fields one after the other.
struct SnapshotWriter {
  /// So far.
  var bytes: [UInt8] = []

  /// Nothing yet, with room for so many bytes.
  init(capacity: Int) { bytes.reserveCapacity(capacity) }

  /// A number, little-endian.
  mutating func put(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Bytes as they are.
  mutating func put(_ part: UnsafeRawBufferPointer) { bytes.append(contentsOf: part) }

  /// A description in the form of a slot's header, which has a checksum and versions of its own.
  mutating func putHeader(_ description: SlotDescription) {
    let slot = AlignedBuffer(count: description.shape.slotBytes)
    SlotHeader.seal(slot.address, description)
    put(UnsafeRawBufferPointer(start: slot.address, count: description.shape.headerBytes))
  }
}

/// Takes a snapshot's fields, as far as there are bytes.
struct SnapshotReader {
  private let bytes: [UInt8]
  private var place = 0

  /// From the beginning on.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next bytes.
  mutating func take(count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= bytes.count - place else { return nil }
    defer { place += count }
    return bytes[place..<place + count]
  }

  /// The next number.
  mutating func take<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) -> Value? {
    take(count: MemoryLayout<Value>.size).map { part in
      Value(littleEndian: part.withUnsafeBytes { $0.loadUnaligned(as: Value.self) })
    }
  }

  /// The next description.
  mutating func takeHeader() -> SlotDescription? {
    let rest = bytes[place...]
    return rest.withUnsafeBytes { buffer -> (SlotDescription, Int)? in
      guard let count = SlotHeader.headerBytes(claimedBy: buffer), count <= buffer.count,
        let slotBytes = SlotHeader.slotBytes(claimedBy: buffer),
        case .success(let description) = SlotHeader.inspect(
          UnsafeRawBufferPointer(rebasing: buffer[..<count]), slotBytes: slotBytes)
      else { return nil }
      return (description, count)
    }.map { found in
      place += found.1
      return found.0
    }
  }
}
