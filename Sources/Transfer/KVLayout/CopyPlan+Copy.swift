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
    guard isSummedOnTheWay else {
      storeHeads(key, deviceBlock, slot)
      return .stored
    }
    // Some heads at a time: of most layouts the device's memory is read in order then.
    var first = heads.lowerBound
    while first < heads.upperBound {
      let next = min(first &+ Self.headsAtOnce, heads.upperBound)
      storeSummed(first..<next, key, deviceBlock, slot)
      first = next
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
      let seed = SlotHeader.headSeed(key, group: group, head: head)
      let found =
        isSummedOnTheWay
        ? loadSummed(head, seed, deviceBlock, source) : loadHead(head, seed, deviceBlock, source)
      guard found == expected else { return .damaged(head: head) }
    }
    return .intact
  }
}

// MARK: Copies, and sums afterwards

extension CopyPlan {
  private func storeHeads(
    _ key: BlockKey, _ block: Int, _ slot: UnsafeMutableRawPointer
  ) {
    for head in heads {
      let target = slot + geometry.shape.headOffset(head)
      for run in runs {
        run.forEachCopy(block: block, head: head &- heads.lowerBound, slotHead: target) {
          device, slot, count in slot.copyMemory(from: device, byteCount: count)
        }
      }
      // While the bytes are in the processor's cache.
      let checksum = cxxh3_64(
        target, geometry.headBytes, SlotHeader.headSeed(key, group: group, head: head))
      SlotHeader.writeChecksum(checksum, head: head, to: slot)
    }
  }

  private func loadHead(
    _ head: Int, _ seed: UInt64, _ block: Int, _ source: UnsafeMutableRawPointer
  ) -> UInt64 {
    for run in runs {
      run.forEachCopy(block: block, head: head &- heads.lowerBound, slotHead: source) {
        device, slot, count in device.copyMemory(from: slot, byteCount: count)
      }
    }
    return cxxh3_64(source, geometry.headBytes, seed)
  }
}

// MARK: Copies that are summed on the way

extension CopyPlan {
  /// What sums of that many heads need is on the stack.
  private static let headsAtOnce = 16
  /// Smaller blocks are loaded into the caches: the engine reads them next.
  private static let streamedBytesMin = 256 << 10

  private func storeSummed(
    _ part: Range<Int>, _ key: BlockKey, _ block: Int, _ slot: UnsafeMutableRawPointer
  ) {
    withUnsafeTemporaryAllocation(of: cxxh3_copy.self, capacity: part.count) { sums in
      guard let first = sums.baseAddress else { return }
      for (index, head) in part.enumerated() {
        let seed = SlotHeader.headSeed(key, group: group, head: head)
        // Nobody reads a slot soon but a disk.
        cxxh3_copy_begin(first + index, geometry.headBytes, seed, 1, CXXH3_BEST)
      }
      let target = slot + geometry.shape.headOffset(part.lowerBound)
      let skipped = part.lowerBound &- heads.lowerBound
      for run in runs {
        if run.halfCount == 1, run.tokenCount == 1 || run.headStride < run.tokenStride {
          var grid = run.grid(block: block, head: skipped, slotHead: target, geometry.headBytes)
          cxxh3_copy_grid(first, part.count, &grid)
          continue
        }
        for index in 0..<part.count {
          let slotHead = target + index &* geometry.headBytes
          run.forEachStrand(block: block, head: skipped &+ index, slotHead: slotHead) {
            device, deviceStride, slot, slotStride, count in
            cxxh3_copy_runs(
              first + index, slot, slotStride, device, deviceStride, run.byteCount, count)
          }
        }
      }
      for (index, head) in part.enumerated() {
        SlotHeader.writeChecksum(cxxh3_copy_end(first + index), head: head, to: slot)
      }
    }
  }

  private func loadSummed(
    _ head: Int, _ seed: UInt64, _ block: Int, _ source: UnsafeMutableRawPointer
  ) -> UInt64 {
    var sum = cxxh3_copy()
    let isStreamed: Int32 = bytesPerBlock >= Self.streamedBytesMin ? 1 : 0
    cxxh3_copy_begin(&sum, geometry.headBytes, seed, isStreamed, CXXH3_BEST)
    for run in runs {
      run.forEachStrand(block: block, head: head &- heads.lowerBound, slotHead: source) {
        device, deviceStride, slot, slotStride, count in
        cxxh3_copy_runs(&sum, device, deviceStride, slot, slotStride, run.byteCount, count)
      }
    }
    return cxxh3_copy_end(&sum)
  }
}
