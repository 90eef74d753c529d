import BlockIdentity
import CSlotFormat
import CXXH3

extension SlotHeader {
  /// Proves that a slot holds a block, whole, and the one that is wanted if one is named.
  ///
  /// Header and table of checksums are copied once and judged in the copy. No length is taken from
  /// the bytes before it was checked against `slot.count`.
  ///
  /// A protected slot proves nothing before its protection was taken off.
  ///
  /// - Parameters:
  ///   - slot: the whole slot.
  ///   - expectation: the block that must be there; nil takes any.
  /// - Returns: what the header says, or the first fault.
  /// - Complexity: O(slot bytes).
  public static func verify(
    _ slot: UnsafeRawBufferPointer, expecting expectation: SlotExpectation? = nil
  ) -> Result<SlotDescription, SlotFault> {
    var fault: SlotFault?
    let result = withHeaderCopy(slot) { copy in
      describe(copy, slotBytes: slot.count).map { description in
        fault = contentFault(slot, header: copy, description, expectation)
        return description
      }
    }
    switch result {
    case .failure(let headerFault): return .failure(.header(headerFault))
    case .success(let description): return fault.map { .failure($0) } ?? .success(description)
    }
  }

  private static func contentFault(
    _ slot: UnsafeRawBufferPointer, header: UnsafeMutableRawBufferPointer,
    _ description: SlotDescription, _ expectation: SlotExpectation?
  ) -> SlotFault? {
    let (key, shape) = (description.key, description.shape)
    if let protection = description.protection {
      return .header(.locked(keyID: protection.keyID))
    }
    if let expectation, expectation != description.expectation {
      return .otherBlock(key: key, group: description.group)
    }
    let root = header.load(as: kvbm_slot_header.self).root_checksum
    guard let bytes = slot.baseAddress, let table = header.baseAddress,
      rootChecksum(of: table, key: key, headCount: shape.headCount) == UInt64(littleEndian: root)
    else { return .root }
    for head in 0..<shape.headCount {
      let seed = headSeed(key, group: Int(description.group), head: head)
      guard
        cxxh3_64(bytes + shape.headOffset(head), shape.headBytes, seed)
          == checksum(ofHead: head, in: table)
      else { return .head(head) }
    }
    return nil
  }
}
