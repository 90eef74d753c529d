import CXXH3

/// Equal copies between device memory and a slot: `tokens × halves` runs of `byteCount` bytes.
///
/// One run stands for one or several layers of any head of any block. Contiguous dimensions have
/// been merged into `byteCount`, and then count 1.
struct CopyRun: BitwiseCopyable {
  /// The first layer's device memory.
  var base: UnsafeMutableRawPointer
  /// Bytes from a device block to the next one.
  var blockStride: Int
  /// Bytes from a head in device memory to the next one.
  var headStride: Int
  /// From the beginning of a head in the slot.
  var slotOffset: Int
  /// Tokens that are copied one by one, and their strides.
  var tokenCount: Int
  /// In device memory.
  var tokenStride: Int
  /// In the slot.
  var tokenBytes: Int
  /// 2 when K and V are copied one by one.
  var halfCount: Int
  /// From K to V in device memory; in the slot it is `byteCount`.
  var halfStride: Int
  /// Bytes of one copy.
  var byteCount: Int

  /// The copies of one layer, merged as far as its strides allow.
  init(_ layer: DeviceLayer, index: Int, shape: BlockShape) {
    base = layer.base
    blockStride = layer.blockStride
    headStride = layer.headStride
    slotOffset = index &* shape.layerBytes
    tokenCount = shape.blockTokens
    tokenStride = layer.tokenStride
    tokenBytes = shape.tokenBytes
    halfCount = 2
    halfStride = layer.kvStride
    byteCount = shape.tokenBytes / 2
    if layer.kvStride == byteCount {
      halfCount = 1
      byteCount = shape.tokenBytes
      if tokenCount == 1 || tokenStride == tokenBytes {
        byteCount = shape.layerBytes
        tokenCount = 1
      }
    }
  }

  /// How many copies one head of one block takes.
  var copyCount: Int { tokenCount &* halfCount }

  /// Takes `next`, the layers after these, into the same copy if both are one piece.
  mutating func merge(_ next: CopyRun) -> Bool {
    guard copyCount == 1, next.copyCount == 1, base + byteCount == next.base,
      blockStride == next.blockStride, headStride == next.headStride
    else { return false }
    byteCount &+= next.byteCount
    return true
  }

  /// The copies of several heads of one block, from `head` on, of which `slotHead` is the place in
  /// the slot; for runs whose K and V are one piece.
  func grid(
    block: Int, head: Int, slotHead: UnsafeMutableRawPointer, _ headBytes: Int
  ) -> cxxh3_grid {
    cxxh3_grid(
      target: slotHead + slotOffset,
      source: base + (block &* blockStride &+ head &* headStride), target_copy_stride: headBytes,
      source_copy_stride: headStride, target_run_stride: tokenBytes,
      source_run_stride: tokenStride, run_bytes: byteCount, run_count: tokenCount)
  }

  /// Calls `body` with copies of one head of one block that are equally far apart, as many as there
  /// are: device address and stride, slot address and stride, how many. All in the slot's order.
  @inline(__always)
  func forEachStrand(
    block: Int, head: Int, slotHead: UnsafeMutableRawPointer,
    _ body: (UnsafeMutableRawPointer, Int, UnsafeMutableRawPointer, Int, Int) -> Void
  ) {
    let device = base + (block &* blockStride &+ head &* headStride)
    let slot = slotHead + slotOffset
    guard halfCount > 1 else { return body(device, tokenStride, slot, tokenBytes, tokenCount) }
    for token in 0..<tokenCount {
      body(
        device + token &* tokenStride, halfStride, slot + token &* tokenBytes, byteCount,
        halfCount)
    }
  }

  /// Calls `body` with device address and slot address of every copy of one head of one block.
  @inline(__always)
  func forEachCopy(
    block: Int, head: Int, slotHead: UnsafeMutableRawPointer,
    _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void
  ) {
    let device = base + (block &* blockStride &+ head &* headStride)
    let slot = slotHead + slotOffset
    for token in 0..<tokenCount {
      for half in 0..<halfCount {
        body(
          device + (token &* tokenStride &+ half &* halfStride),
          slot + (token &* tokenBytes &+ half &* byteCount), byteCount)
      }
    }
  }
}
