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
  /// The checksum is made of what is written into the slot, on its way there: it vouches for what
  /// is stored, also when the device's memory changes meanwhile.
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
      let checksum = copy(
        .toSlot, block: deviceBlock, head: head, slotHead: slot + geometry.shape.headOffset(head),
        seed: SlotHeader.headSeed(key, group: group, head: head))
      SlotHeader.writeChecksum(checksum, head: head, to: slot)
    }
    return .stored
  }

  /// Copies the rank's heads from a slot into a device block, and checks them.
  ///
  /// What is checked is what was copied: bytes that are overwritten meanwhile, by whatever fault,
  /// are noticed, which a check beforehand would not do. Each checksum is read once.
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
      let found = copy(
        .toDevice, block: deviceBlock, head: head, slotHead: source,
        seed: SlotHeader.headSeed(key, group: group, head: head))
      guard found == expected else { return .damaged(head: head) }
    }
    return .intact
  }

  private enum Way {
    case toSlot
    case toDevice
  }

  /// Copies a head and makes the checksum of it, in one pass where its runs allow that.
  @inline(__always)
  private func copy(
    _ way: Way, block: Int, head: Int, slotHead: UnsafeMutableRawPointer, seed: UInt64
  ) -> UInt64 {
    let head = head &- heads.lowerBound
    return runs.withUnsafeBufferPointer { runs in
      if isSummedOnTheWay {
        var sum = cxxh3_copy()
        cxxh3_copy_begin(&sum, geometry.headBytes, seed, CXXH3_BEST)
        for run in runs {
          run.forEachStrand(block: block, head: head, slotHead: slotHead) {
            device, deviceStride, slot, slotStride, count in
            switch way {
            case .toSlot:
              cxxh3_copy_runs(&sum, slot, slotStride, device, deviceStride, run.byteCount, count)
            case .toDevice:
              cxxh3_copy_runs(&sum, device, deviceStride, slot, slotStride, run.byteCount, count)
            }
          }
        }
        return cxxh3_copy_end(&sum)
      }
      for run in runs {
        run.forEachCopy(block: block, head: head, slotHead: slotHead) { device, slot, count in
          switch way {
          case .toSlot: slot.copyMemory(from: device, byteCount: count)
          case .toDevice: device.copyMemory(from: slot, byteCount: count)
          }
        }
      }
      // While the bytes are in the processor's cache.
      return cxxh3_64(slotHead, geometry.headBytes, seed)
    }
  }
}
