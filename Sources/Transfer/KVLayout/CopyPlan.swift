import BlockIdentity
import CXXH3

/// How one rank's part of a group's blocks is copied between device memory and slots.
///
/// 1. Made once, when the rank registers its device memory; everything is checked then.
/// 2. `store` and `load` copy one block each, from any thread, several at a time.
/// 3. Dropped after the last copy; the device memory belongs to the engine and must outlive it.
///
/// The stored form is the universal layout `[kv head][layer][token][K|V]`, so a part is one
/// contiguous range of the slot, and ranks of another count read the same slot.
public struct CopyPlan: @unchecked Sendable {
  /// The group's geometry, over all ranks.
  public let geometry: GroupGeometry
  /// The group's index; it is part of what a checksum vouches for.
  public let group: Int
  /// Device blocks are numbered from 0 to below this.
  public let deviceBlockCount: Int
  /// The rank's heads, among those of the group.
  public let heads: Range<Int>
  /// The copies of any head of any block, layers in order.
  let runs: [CopyRun]
  /// Whether checksums are made while bytes pass through: where runs are whole stripes of XXH3.
  let isSummedOnTheWay: Bool

  /// Checks a device layout and plans its copies.
  ///
  /// - Parameters:
  ///   - layers: the group's layers in order, each with `deviceBlockCount` blocks and the rank's
  ///     heads from its head 0 on.
  ///   - firstHead: which of the group's heads the rank's first one is.
  /// - Throws: `LayoutError`: counts, strides, address ranges or overlaps that cannot be.
  /// - Complexity: O(layers), O(layers²) where layers interleave.
  public init(
    geometry: GroupGeometry, group: Int = 0, layers: [DeviceLayer], deviceBlockCount: Int,
    firstHead: Int, headCount: Int
  ) throws(LayoutError) {
    guard layers.count == geometry.layerCount else {
      throw .layerCount(expected: geometry.layerCount, found: layers.count)
    }
    guard firstHead >= 0, headCount > 0, firstHead <= geometry.headCount - headCount else {
      throw .headRange(first: firstHead, count: headCount, headCount: geometry.headCount)
    }
    guard group >= 0, group <= UInt16.max else {
      throw .tooLarge(field: "group", value: group, limit: Int(UInt16.max))
    }
    guard deviceBlockCount > 0 else {
      throw .notPositive(field: "device_block_count", value: deviceBlockCount)
    }
    let counts = [deviceBlockCount, headCount, geometry.blockTokens, 2]
    try Self.checkMemory(layers, counts: counts, runBytes: geometry.tokenBytes / 2)
    self.geometry = geometry
    self.group = group
    self.deviceBlockCount = deviceBlockCount
    heads = firstHead..<firstHead + headCount
    var runs: [CopyRun] = []
    for (index, layer) in layers.enumerated() {
      let run = CopyRun(layer, index: index, shape: geometry.shape)
      if runs.isEmpty || !runs[runs.count - 1].merge(run) { runs.append(run) }
    }
    self.runs = runs
    isSummedOnTheWay =
      geometry.headBytes >= Int(CXXH3_COPY_BYTES_MIN)
      && runs.allSatisfy { $0.byteCount % Int(CXXH3_RUN_UNIT) == 0 }
  }

  /// Copies of contiguous memory that one block takes, in each direction.
  public var copiesPerBlock: Int { heads.count * runs.reduce(0) { $0 + $1.copyCount } }

  /// Bytes that this rank copies of one block.
  public var bytesPerBlock: Int { heads.count * geometry.headBytes }

  /// No processor's user memory reaches further, five-level page tables included.
  private static let addressMax = 1 << 56

  private static func checkMemory(
    _ layers: [DeviceLayer], counts: [Int], runBytes: Int
  ) throws(LayoutError) {
    var checks: [StrideCheck] = []
    for (index, layer) in layers.enumerated() {
      let strides = [layer.blockStride, layer.headStride, layer.tokenStride, layer.kvStride]
      guard let check = StrideCheck(counts: counts, strides: strides, runBytes: runBytes) else {
        throw .badStrides(layer: index)
      }
      let first = Int(bitPattern: layer.base)
      guard first > 0, first < addressMax, check.spanBytes < addressMax - first else {
        throw .addressRange(layer: index)
      }
      checks.append(check)
    }
    let order = layers.indices.sorted { layers[$0].base < layers[$1].base }
    for (position, lower) in order.enumerated() {
      for upper in order[(position + 1)...] {
        let distance = layers[upper].base - layers[lower].base
        guard distance < checks[lower].spanBytes else { break }
        var shifted = layers[lower]
        shifted.base = layers[upper].base
        guard shifted == layers[upper], !checks[lower].overlapsItself(at: distance) else {
          throw .overlappingLayers(min(lower, upper), max(lower, upper))
        }
      }
    }
  }
}
