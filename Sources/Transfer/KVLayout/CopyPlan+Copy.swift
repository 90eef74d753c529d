import BlockIdentity
import CXXH3

/// How a store ended.
public enum StoreOutcome: Hashable, Sendable {
  /// The rank's heads, their checksums and the block's key are in the slot.
  case stored
  /// There is no such device block; nothing was touched.
  case noSuchBlock
}

/// How a load ended.
public enum LoadOutcome: Hashable, Sendable {
  /// The rank's heads are in device memory, and are what was stored under the key.
  case intact
  /// This head of the group is not what was stored; the device block's content is undefined.
  case damaged(head: Int)
  /// The slot holds another block; device memory was not touched.
  case foreign
  /// There is no such device block; nothing was touched.
  case noSuchBlock
}

extension CopyPlan {
  /// Copies the rank's heads of a device block into a slot, with their checksums and the key.
  ///
  /// The checksum is made of the slot's bytes, right after they were written, while they are in the
  /// processor's cache: it vouches for what is stored.
  ///
  /// - Parameters:
  ///   - key: the block's key in its sequence, before the group is folded in.
  ///   - slot: the beginning of a slot of the geometry's `slotBytes`; the caller holds it.
  /// - Complexity: O(`bytesPerBlock`).
  public func store(
    _ key: BlockKey, deviceBlock: Int, slot: UnsafeMutableRawPointer
  ) -> StoreOutcome {
    guard deviceBlock >= 0, deviceBlock < deviceBlockCount else { return .noSuchBlock }
    SlotHeader.writeKey(key, group: group, to: slot)
    for head in heads {
      let target = slot + geometry.shape.headOffset(head)
      runs.withUnsafeBufferPointer { runs in
        for run in runs {
          run.forEachCopy(block: deviceBlock, head: head &- heads.lowerBound, slotHead: target) {
            device, slot, count in slot.copyMemory(from: device, byteCount: count)
          }
        }
      }
      let checksum = cxxh3_64(
        target, geometry.headBytes, SlotHeader.headSeed(key, group: group, head: head))
      SlotHeader.writeChecksum(checksum, head: head, to: slot)
    }
    return .stored
  }

  /// Copies the rank's heads from a slot into a device block, and checks them.
  ///
  /// The slot is checked after it was copied: bytes that are overwritten meanwhile, by whatever
  /// fault, are noticed, which a check beforehand would not do. Each checksum is read once.
  ///
  /// - Parameters:
  ///   - key: the key under which the block was promised.
  ///   - slot: the beginning of a slot of the geometry's `slotBytes`.
  /// - Complexity: O(`bytesPerBlock`).
  public func load(
    _ key: BlockKey, slot: UnsafeRawPointer, deviceBlock: Int
  ) -> LoadOutcome {
    guard deviceBlock >= 0, deviceBlock < deviceBlockCount else { return .noSuchBlock }
    guard SlotHeader.key(of: slot) == key, SlotHeader.group(of: slot) == group else {
      return .foreign
    }
    for head in heads {
      let expected = SlotHeader.checksum(ofHead: head, in: slot)
      let source = UnsafeMutableRawPointer(mutating: slot + geometry.shape.headOffset(head))
      runs.withUnsafeBufferPointer { runs in
        for run in runs {
          run.forEachCopy(block: deviceBlock, head: head &- heads.lowerBound, slotHead: source) {
            device, slot, count in device.copyMemory(from: slot, byteCount: count)
          }
        }
      }
      let found = cxxh3_64(
        source, geometry.headBytes, SlotHeader.headSeed(key, group: group, head: head))
      guard found == expected else { return .damaged(head: head) }
    }
    return .intact
  }
}
