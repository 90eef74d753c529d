import BlockIdentity
import CSlotFormat

/// How a slot is protected from who can read or write the place where it lies.
public struct SlotProtection: Hashable, Sendable {
  /// What is done to a slot's bytes; the raw value is the setting's word.
  public enum Form: String, Hashable, Sendable {
    /// Nothing.
    case plain = "none"
    /// They are readable, and whoever changes one is found out: AES-256-GMAC.
    case authenticated
    /// And all but the header's first 512 bytes are unreadable: AES-256-GCM.
    case encrypted = "aes-256-gcm"

    /// The form of a header's field; nil for one of another version.
    init?(code: UInt16) {
      switch UInt32(code) {
      case 0: self = .plain
      case KVBM_SLOT_ENCRYPTION_AES_256_GCM: self = .encrypted
      case KVBM_SLOT_ENCRYPTION_AES_256_GMAC: self = .authenticated
      default: return nil
      }
    }

    /// What a header's field says of it.
    var code: UInt16 {
      switch self {
      case .plain: 0
      case .authenticated: UInt16(KVBM_SLOT_ENCRYPTION_AES_256_GMAC)
      case .encrypted: UInt16(KVBM_SLOT_ENCRYPTION_AES_256_GCM)
      }
    }
  }

  /// What was done.
  public var form: Form
  /// Which key it was done with.
  public var keyID: UInt32

  /// A form, and the key that it is made with.
  public init(form: Form, keyID: UInt32) {
    self.form = form
    self.keyID = keyID
  }

  /// Eight hexadecimal digits.
  public static func text(ofKey keyID: UInt32) -> String {
    let digits = String(keyID, radix: 16)
    return "key " + String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// The header's fields of a protection, in place. What they mean is the `Protection` module's.
extension SlotHeader {
  /// Bytes before the table of checksums: they are never encrypted.
  package static let clearBytes = fixedBytes
  /// Bytes of a protection's salt.
  package static let protectionSaltBytes = 12
  private static let tagBytes = 16

  private static let encryptionOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.encryption)!
  private static let keyIDOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.protection_key_id)!
  private static let saltOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.protection_salt)!
  private static let tagOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.protection_tag)!
  private static let rootOffset = MemoryLayout<kvbm_slot_header>.offset(of: \.root_checksum)!
  private static let headerChecksumOffset =
    MemoryLayout<kvbm_slot_header>.offset(of: \.header_checksum)!

  /// Turns a sealed plain header into one that is to be protected: its tag and checksum are zero,
  /// and so is the root where the table will be encrypted.
  package static func beginProtection(
    _ slot: UnsafeMutableRawPointer, _ protection: SlotProtection, salt: UnsafeRawPointer
  ) {
    slot.storeBytes(
      of: protection.form.code.littleEndian, toByteOffset: encryptionOffset, as: UInt16.self)
    slot.storeBytes(
      of: protection.keyID.littleEndian, toByteOffset: keyIDOffset, as: UInt32.self)
    (slot + saltOffset).copyMemory(from: salt, byteCount: protectionSaltBytes)
    clear(slot, tagOffset, tagBytes)
    if protection.form == .encrypted { clear(slot, rootOffset, 8) }
    clear(slot, headerChecksumOffset, 8)
  }

  /// Enters the tag, and the checksum over the header as it is now.
  package static func endProtection(
    _ slot: UnsafeMutableRawPointer, tag: Bytes16, headerBytes: Int
  ) {
    tag.store(to: slot + tagOffset)
    writeHeaderChecksum(slot, headerBytes: headerBytes)
  }

  /// Takes the tag out of a copy of a header, which then is as it was before `endProtection`.
  package static func takeTag(_ copy: UnsafeMutableRawPointer) -> Bytes16 {
    defer {
      clear(copy, tagOffset, tagBytes)
      clear(copy, headerChecksumOffset, 8)
    }
    return Bytes16(bytes: copy + tagOffset)
  }

  /// Makes the header that of a plain slot again, as `seal` left it.
  ///
  /// - Parameter slot: its first 512 bytes are unlike they were protected only in what
  ///   `beginProtection` and `endProtection` wrote; the table is plain.
  package static func removeProtection(
    _ slot: UnsafeMutableRawPointer, _ description: SlotDescription
  ) {
    clear(slot, encryptionOffset, 2)
    clear(slot, keyIDOffset, 4 &+ protectionSaltBytes &+ tagBytes)
    let shape = description.shape
    let root = rootChecksum(of: slot, key: description.key, headCount: shape.headCount)
    slot.storeBytes(of: root.littleEndian, toByteOffset: rootOffset, as: UInt64.self)
    writeHeaderChecksum(slot, headerBytes: shape.headerBytes)
  }

  private static func clear(_ slot: UnsafeMutableRawPointer, _ offset: Int, _ count: Int) {
    (slot + offset).initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }
}
