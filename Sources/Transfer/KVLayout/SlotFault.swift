import BlockIdentity

/// Why a slot's header does not name a block that this version can read.
public enum HeaderFault: Error, Hashable, Sendable {
  /// The header page is all zeros: the slot is free.
  case empty
  /// Written by a version or with features that this one does not know. Not ours to overwrite.
  case unsupported(version: UInt32, features: UInt32)
  /// Protected with a key that is not at hand. Not ours to overwrite.
  case locked(keyID: UInt32)
  /// No slot begins here: torn, overwritten or never one.
  case notASlot
  /// Fewer bytes than a header has, or sizes that cannot be.
  case badSizes
  /// The header is not what was written.
  case badChecksum
  /// The header is what was written, and contradicts itself.
  case contradiction
}

/// Why a slot's bytes are not the block that a reader wants.
public enum SlotFault: Error, Hashable, Sendable {
  /// The header is at fault.
  case header(HeaderFault)
  /// A sound header of another block.
  case otherBlock(key: BlockKey, group: UInt16)
  /// Protected, and not as whoever has the key left it: other bytes, or another block's.
  case forged
  /// Not protected, where only what is protected counts.
  case unprotected
  /// The table of checksums is not the one that was sealed.
  case root
  /// This head's bytes are not what was stored.
  case head(Int)
}

extension HeaderFault: CustomStringConvertible {
  /// A few words for people.
  public var description: String {
    switch self {
    case .empty: "empty"
    case .unsupported(let version, let features):
      "written by another version (format \(version), features \(features))"
    case .locked(let keyID):
      "protected with a key that is not at hand (\(SlotProtection.text(ofKey: keyID)))"
    case .notASlot: "no slot header"
    case .badSizes: "header with impossible sizes"
    case .badChecksum: "header checksum differs"
    case .contradiction: "header contradicts itself"
    }
  }
}

extension SlotFault: CustomStringConvertible {
  /// A few words for people.
  public var description: String {
    switch self {
    case .header(let fault): fault.description
    case .otherBlock(let key, let group): "holds another block, \(key) of group \(group)"
    case .forged: "authentication tag differs"
    case .unprotected: "has no authentication tag"
    case .root: "root checksum differs"
    case .head(let head): "checksum of head \(head) differs"
    }
  }
}
