import KVLayout
import ObjectTier

/// How a slot becomes an object's bytes, and back: the one place that knows.
///
/// Today an object is a sealed slot as it is. What comes back is believed only when it was proven
/// here.
enum ObjectForm {
  /// Of the names of objects: another form's objects have other names.
  static let format = UInt16(NodeVersion.slotFormat)

  /// Bytes of a block's object.
  static func byteCount(_ shape: BlockShape) -> Int { shape.slotBytes }

  /// Makes an object of a copy of a slot, in place; or why it cannot be one.
  static func pack(
    _ copy: UnsafeMutableRawPointer, _ description: SlotDescription
  ) -> SlotFault? {
    // Memory that an engine writes to: it may have another block by now.
    let (key, group) = (SlotHeader.key(of: copy), SlotHeader.group(of: copy))
    guard key == description.key, group == Int(description.group) else {
      return .otherBlock(key: key, group: UInt16(truncatingIfNeeded: group))
    }
    SlotHeader.seal(copy, description)
    return nil
  }

  /// Proves that an object's bytes are the block that is wanted, whole; or why they are not.
  static func unpack(
    _ bytes: UnsafeRawBufferPointer, expecting expectation: SlotExpectation
  ) -> SlotFault? {
    switch SlotHeader.verify(bytes, expecting: expectation) {
    case .success: nil
    case .failure(let fault): fault
    }
  }

  /// Whether an object that is wrong in this way is to be deleted, so that it can be put again; one
  /// of another version, or made with another key, stays, for those who can read it.
  static func isWorthless(_ fault: SlotFault) -> Bool {
    switch fault {
    case .header(.unsupported), .header(.locked): false
    default: true
    }
  }
}
