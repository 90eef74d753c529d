import BlockIdentity
import CProtection
import KVLayout

/// Protects the slots of a tier from who can read or write the place where they lie.
///
/// A protected slot has the length of a plain one. Its header's first 512 bytes are readable, so
/// an index is rebuilt without a key, and are authenticated with the rest: namespace, key, group,
/// parts and sizes cannot be changed, nor can content move from one block to another.
///
/// Every protection uses a key of its own, derived from the keyring's with the whole header as
/// what it is for: a salt of 96 random bits, the block's name, the store's write sequence. So no
/// key meets two contents, however often a slot is written and whoever else has the keyring. Safe
/// from any thread.
public struct Protector: Sendable {
  /// The keys that are at hand.
  public let keys: KeyRing
  /// What is done to slots that leave.
  public let form: SlotProtection.Form
  /// Whether slots without protection are refused: else whoever can write need only leave it off.
  public let refusesPlain: Bool

  /// A protector that refuses plain slots, unless it leaves them plain itself.
  public init(keys: KeyRing, form: SlotProtection.Form) {
    self.keys = keys
    self.form = form
    refusesPlain = form != .plain
  }

  /// Makes the protected form of a block.
  ///
  /// - Parameters:
  ///   - block: a slot in host memory: payload, and the table of checksums as workers left it.
  ///   - slot: memory of a slot's length for the result; may be `block`, whose content is lost
  ///     then.
  ///   - description: of the block.
  /// - Returns: false when the system has no memory or no randomness.
  /// - Complexity: O(slot bytes).
  public func protect(
    _ block: UnsafeMutableRawPointer, into slot: UnsafeMutableRawPointer,
    _ description: SlotDescription
  ) -> Bool {
    let shape = description.shape
    if slot != block { slot.copyMemory(from: block, byteCount: shape.headerBytes) }
    SlotHeader.seal(slot, description)
    let payload = (block + shape.headerBytes, slot + shape.headerBytes)
    guard form != .plain else {
      if slot != block { payload.1.copyMemory(from: payload.0, byteCount: shape.payloadBytes) }
      return true
    }
    let key = keys.current
    let clearBytes = SlotHeader.clearBytes
    let (rest, end) = (slot + clearBytes, payload.1 + shape.payloadBytes)
    let tag = Self.withNewSlotKey(key, form, slot) { slotKey in
      var gcm = AESGCM(key: slotKey, isSealing: true)
      gcm.associate(slot, clearBytes)
      if form == .encrypted {
        gcm.update(rest, rest, shape.headerBytes - clearBytes)
        gcm.update(payload.0, payload.1, shape.payloadBytes)
        gcm.update(end, end, slot + shape.slotBytes - end)
      } else {
        if slot != block { payload.1.copyMemory(from: payload.0, byteCount: shape.payloadBytes) }
        gcm.associate(rest, shape.slotBytes - clearBytes)
      }
      return gcm.seal()
    }
    guard let tag = tag ?? nil else { return false }
    SlotHeader.endProtection(slot, tag: tag, headerBytes: shape.headerBytes)
    return true
  }

  /// Takes the protection off a slot in place, if it is sound; it is a plain one then, to be
  /// verified like any other.
  ///
  /// - Parameter slot: the whole slot, nobody else's. After a fault its content is undefined.
  /// - Returns: nil, or why it is not to be used: `forged`, `unprotected`, a fault of its header.
  /// - Complexity: O(slot bytes); O(header bytes) for a plain one.
  public func reveal(_ slot: UnsafeMutableRawBufferPointer) -> SlotFault? {
    var fault: SlotFault?
    let result = SlotHeader.withHeaderCopy(UnsafeRawBufferPointer(slot)) { copy in
      SlotHeader.describe(copy, slotBytes: slot.count).map { description in
        guard description.protection != nil else {
          if refusesPlain { fault = .unprotected }
          return
        }
        fault = reveal(slot, header: copy, description)
      }
    }
    if case .failure(let headerFault) = result { return .header(headerFault) }
    return fault
  }

  /// Takes the protection off what was read, where it has one, and proves the rest: nil when the
  /// slot is a plain one now, whole, and of the block that is wanted if one is named.
  ///
  /// - Parameter protector: nil where there are no keys.
  public static func fault(
    of slot: UnsafeMutableRawBufferPointer, expecting expectation: SlotExpectation? = nil,
    _ protector: Protector?
  ) -> SlotFault? {
    if let fault = protector?.reveal(slot) { return fault }
    switch SlotHeader.verify(UnsafeRawBufferPointer(slot), expecting: expectation) {
    case .success: return nil
    case .failure(let fault): return fault
    }
  }

  /// Whether a slot may be used, by its header alone: nil, or `locked` or `unprotected`.
  ///
  /// - Parameter protector: nil where there are no keys.
  public static func fault(of description: SlotDescription, _ protector: Protector?) -> SlotFault? {
    guard let protection = description.protection else {
      return protector?.refusesPlain == true ? .unprotected : nil
    }
    return protector?.keys.key(protection.keyID) == nil
      ? .header(.locked(keyID: protection.keyID)) : nil
  }

  private func reveal(
    _ slot: UnsafeMutableRawBufferPointer, header: UnsafeMutableRawBufferPointer,
    _ description: SlotDescription
  ) -> SlotFault? {
    guard let protection = description.protection, let base = slot.baseAddress,
      let copy = header.baseAddress
    else { return nil }
    guard let key = keys.key(protection.keyID) else {
      return .header(.locked(keyID: protection.keyID))
    }
    let clearBytes = SlotHeader.clearBytes
    let tag = SlotHeader.takeTag(copy)
    let info = UnsafeRawBufferPointer(rebasing: header[..<clearBytes])
    let isSound = key.withDerived(info) { slotKey in
      var gcm = AESGCM(key: slotKey, isSealing: false)
      gcm.associate(copy, clearBytes)
      if protection.form == .encrypted {
        gcm.update(base + clearBytes, base + clearBytes, slot.count - clearBytes)
      } else {
        gcm.associate(base + clearBytes, slot.count - clearBytes)
      }
      return gcm.open(tag)
    }
    guard isSound else { return .forged }
    base.copyMemory(from: copy, byteCount: clearBytes)
    SlotHeader.removeProtection(base, description)
    return nil
  }

  /// Marks the header as protected, with a new salt, and calls `body` with the key of this one
  /// protection; nil when the system has no randomness.
  static func withNewSlotKey<Result>(
    _ key: SecretKey, _ form: SlotProtection.Form, _ slot: UnsafeMutableRawPointer,
    _ body: (UnsafeRawPointer) -> Result
  ) -> Result? {
    let isReady = withUnsafeTemporaryAllocation(
      byteCount: SlotHeader.protectionSaltBytes, alignment: 8
    ) { salt in
      guard cprotection_random(salt.baseAddress, salt.count) != 0 else { return false }
      SlotHeader.beginProtection(
        slot, SlotProtection(form: form, keyID: key.id), salt: salt.baseAddress!)
      return true
    }
    guard isReady else { return nil }
    return key.withDerived(
      UnsafeRawBufferPointer(start: slot, count: SlotHeader.clearBytes), body)
  }
}
