import BlockIdentity
import Glibc
import KVLayout

/// Blocks between device memory and slots, with checksums, beside a plain memcpy of the same bytes.
enum Copies {
  private struct Shape {
    let name: String
    let heads: Int
    let layers: Int
    let headBytes: Int
    let isTokenMajor: Bool
  }

  static func rows() -> [Row] {
    let shapes = [
      Shape(
        name: "small (64 KiB, head-major)", heads: 4, layers: 4, headBytes: 64,
        isTokenMajor: false),
      Shape(
        name: "8B-like (2 MiB, head-major)", heads: 8, layers: 32, headBytes: 128,
        isTokenMajor: false),
      Shape(
        name: "8B-like (2 MiB, token-major)", heads: 8, layers: 32, headBytes: 128,
        isTokenMajor: true),
    ]
    return shapes.flatMap(rows)
  }

  private static func rows(_ shape: Shape) -> [Row] {
    let blockTokens = 32
    let tokenBytes = 2 * shape.headBytes
    guard
      let geometry = try? GroupGeometry(
        kind: .full, headCount: shape.heads, layerCount: shape.layers, blockTokens: blockTokens,
        tokenBytes: tokenBytes, elementBytes: 2)
    else { return [] }
    let blockCount = max(4, (64 << 20) / geometry.payloadBytes)
    let device = Region(blockCount * geometry.payloadBytes)
    let slots = Region(blockCount * geometry.slotBytes)
    let flat = Region(blockCount * geometry.payloadBytes)
    let layerBlockBytes = geometry.payloadBytes / shape.layers
    let layers = (0..<shape.layers).map { layer in
      DeviceLayer(
        base: device.base + layer * blockCount * layerBlockBytes, blockStride: layerBlockBytes,
        headStride: shape.isTokenMajor ? tokenBytes : blockTokens * tokenBytes,
        tokenStride: shape.isTokenMajor ? shape.heads * tokenBytes : tokenBytes,
        kvStride: tokenBytes / 2)
    }
    guard
      let plan = try? CopyPlan(
        geometry: geometry, layers: layers, deviceBlockCount: blockCount, firstHead: 0,
        headCount: shape.heads)
    else { return [] }
    let key = BlockKey(high: 1, low: 2)
    let bytes = blockCount * geometry.payloadBytes
    let copied = Measure.best(units: bytes) {
      memcpy(flat.base, device.base, bytes)
    }
    let stored = Measure.best(units: bytes) {
      for block in 0..<blockCount {
        _ = plan.store(key, deviceBlock: block, slot: slots.base + block * geometry.slotBytes)
      }
    }
    let loaded = Measure.best(units: bytes) {
      for block in 0..<blockCount {
        _ = plan.load(key, slot: slots.base + block * geometry.slotBytes, deviceBlock: block)
      }
    }
    let yardstick = (name: "memcpy", value: 1 / copied)
    return [
      Row(name: "store, \(shape.name)", value: 1 / stored, unit: "GB/s", yardstick: yardstick),
      Row(name: "load, \(shape.name)", value: 1 / loaded, unit: "GB/s", yardstick: yardstick),
    ]
  }
}

/// Zeroed memory, whole pages.
private final class Region {
  let base: UnsafeMutableRawPointer
  private let byteCount: Int

  init(_ byteCount: Int) {
    self.byteCount = byteCount
    base = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)!
  }

  deinit { munmap(base, byteCount) }
}
