import Glibc
import KVLayout
import ObjectTier
import Protection

/// How a slot becomes an object's bytes, and back: the one place that knows.
///
/// An object is a sealed slot, protected where there are keys. What comes back is believed only
/// when it was proven here.
struct ObjectForm: Sendable {
  /// What authenticates or encrypts objects; nil without keys.
  let protector: Protector?

  /// Of the names of objects: another form's objects have other names.
  static let format = UInt16(NodeVersion.slotFormat)

  /// Bytes of a block's object.
  static func byteCount(_ shape: BlockShape) -> Int { shape.slotBytes }

  /// Makes an object of a copy of a slot, in place; or how the put ends.
  func pack(_ copy: UnsafeMutableRawPointer, _ description: SlotDescription) -> ObjectEnd? {
    // Memory that an engine writes to: it may have another block by now.
    let (key, group) = (SlotHeader.key(of: copy), SlotHeader.group(of: copy))
    guard key == description.key, group == Int(description.group) else {
      return .wrong(.otherBlock(key: key, group: UInt16(truncatingIfNeeded: group)))
    }
    guard let protector else {
      SlotHeader.seal(copy, description)
      return nil
    }
    return protector.protect(copy, into: copy, description)
      ? nil : .failed(.system(call: "encrypt", path: "an object", errno: ENOMEM))
  }

  /// Makes a plain slot of an object's bytes, in place, and proves that it is the block that is
  /// wanted, whole; or why it is not.
  func unpack(
    _ bytes: UnsafeMutableRawBufferPointer, expecting expectation: SlotExpectation
  ) -> SlotFault? {
    Protector.fault(of: bytes, expecting: expectation, protector)
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
