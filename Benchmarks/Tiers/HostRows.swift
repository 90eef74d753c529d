import BlockIdentity
import Glibc
import KVLayout

/// Blocks between device memory (G1) and slots (G2), with checksums, beside `memcpy` of the same
/// bytes with the same threads; where a block is in many pieces, beside a loop that was written for
/// its layout as well.
enum HostRows {
  /// A layout of device memory.
  private struct Shape {
    let name: String
    let heads: Int
    let layers: Int
    let headBytes: Int
    let isTokenMajor: Bool
  }

  private static let shapes = [
    Shape(
      name: "64 KiB, head-major", heads: 4, layers: 4, headBytes: 64, isTokenMajor: false),
    Shape(
      name: "2 MiB, head-major", heads: 8, layers: 32, headBytes: 128, isTokenMajor: false),
    Shape(
      name: "2 MiB, token-major", heads: 8, layers: 32, headBytes: 128, isTokenMajor: true),
  ]
  private static let blockTokens = 32

  /// Both ways, for each layout, with one thread and with two.
  static func measure(repeats: Int, _ report: (TierRow) -> Void) {
    for shape in shapes {
      for threadCount in [1, 2] {
        guard let bench = Bench(shape, threadCount: threadCount) else { continue }
        let words = "\(shape.name), \(threadCount == 1 ? "1 thread" : "\(threadCount) threads")"
        report(
          .speed("G1 to G2, \(words)", beside: "memcpy", bench.turns(repeats, bench.store)))
        report(.speed("G2 to G1, \(words)", beside: "memcpy", bench.turns(repeats, bench.load)))
        guard shape.isTokenMajor else { continue }
        let turns = bench.turns(repeats, bench.store, beside: bench.storeByHand)
        report(.speed("G1 to G2, \(words)", beside: "a loop by hand, and XXH3", turns))
      }
    }
  }

  /// Memory for one layout, and the plan that copies it.
  private final class Bench: @unchecked Sendable {
    private let geometry: GroupGeometry
    private let plan: CopyPlan
    private let device: Region
    private let slots: Region
    private let flat: Region
    private let blockCount: Int
    private let threadCount: Int
    private let key = BlockKey(high: 1, low: 2)

    init?(_ shape: Shape, threadCount: Int) {
      let tokenBytes = 2 * shape.headBytes
      guard
        let geometry = try? GroupGeometry(
          kind: .full, headCount: shape.heads, layerCount: shape.layers,
          blockTokens: HostRows.blockTokens, tokenBytes: tokenBytes, elementBytes: 2)
      else { return nil }
      // Beyond what caches hold.
      let blockCount = max(32, (64 << 20) / geometry.payloadBytes)
      guard let device = Region(blockCount * geometry.payloadBytes),
        let slots = Region(blockCount * geometry.slotBytes),
        let flat = Region(blockCount * geometry.payloadBytes)
      else { return nil }
      let layerBytes = geometry.payloadBytes / shape.layers
      let layers = (0..<shape.layers).map { layer in
        DeviceLayer(
          base: device.base + layer * blockCount * layerBytes, blockStride: layerBytes,
          headStride: shape.isTokenMajor ? tokenBytes : HostRows.blockTokens * tokenBytes,
          tokenStride: shape.isTokenMajor ? shape.heads * tokenBytes : tokenBytes,
          kvStride: tokenBytes / 2)
      }
      guard
        let plan = try? CopyPlan(
          geometry: geometry, layers: layers, deviceBlockCount: blockCount, firstHead: 0,
          headCount: shape.heads)
      else { return nil }
      self.geometry = geometry
      self.plan = plan
      self.device = device
      self.slots = slots
      self.flat = flat
      self.blockCount = blockCount
      self.threadCount = threadCount
      store(0..<blockCount)
    }

    func store(_ blocks: Range<Int>) {
      for block in blocks {
        _ = plan.store(key, deviceBlock: block, slot: slots.base + block * geometry.slotBytes)
      }
    }

    func load(_ blocks: Range<Int>) {
      for block in blocks {
        _ = plan.load(key, slot: slots.base + block * geometry.slotBytes, deviceBlock: block)
      }
    }

    /// What a plan does, for this layout alone: pieces in the slot's order, then the checksum.
    func storeByHand(_ blocks: Range<Int>) {
      let (shape, tokenBytes) = (geometry.shape, geometry.tokenBytes)
      let layerBytes = geometry.payloadBytes / shape.layerCount
      for block in blocks {
        for head in 0..<shape.headCount {
          let slot = slots.base + block * geometry.slotBytes + shape.headOffset(head)
          var target = slot
          for layer in 0..<shape.layerCount {
            var source = device.base + (layer * blockCount + block) * layerBytes + head * tokenBytes
            for _ in 0..<shape.blockTokens {
              memcpy(target, source, tokenBytes)
              target += tokenBytes
              source += shape.headCount * tokenBytes
            }
          }
          let bytes = UnsafeRawBufferPointer(start: slot, count: shape.headBytes)
          let sum = SlotHeader.headChecksum(bytes, key: key, group: 0, head: head)
          withExtendedLifetime(sum) {}
        }
      }
    }

    func plain(_ blocks: Range<Int>) {
      for block in blocks {
        let offset = block * geometry.payloadBytes
        memcpy(flat.base + offset, device.base + offset, geometry.payloadBytes)
      }
    }

    func turns(
      _ repeats: Int, _ body: @escaping @Sendable (Range<Int>) -> Void,
      beside yardstick: (@Sendable (Range<Int>) -> Void)? = nil
    ) -> [Turn] {
      let yardstick = yardstick ?? plain
      _ = speed(body)
      _ = speed(yardstick)
      return (0..<repeats).map { _ in Turn(value: speed(body), yardstick: speed(yardstick)) }
    }

    /// Bytes a nanosecond, all threads together, each with a part of the blocks.
    private func speed(_ body: @escaping @Sendable (Range<Int>) -> Void) -> Double {
      let part = blockCount / threadCount
      let start = Machine.seconds
      let rounds = 4
      _ = Machine.parallel(threadCount) { index in
        for _ in 0..<rounds { body(index * part..<(index + 1) * part) }
      }
      let bytes = rounds * part * threadCount * geometry.payloadBytes
      return Double(bytes) / (Machine.seconds - start) / 1e9
    }
  }
}
