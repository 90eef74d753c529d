import BlockIdentity
import Glibc
import KVBMTesting
import KVLayout

/// Where a block is written.
public struct CampaignPlace: Hashable, Sendable {
  /// The extent's id.
  public var extent: UInt32
  /// Of the extent.
  public var slot: Int
}

/// Makes blocks whose bytes follow from their number, so that anybody can say what must be there.
///
/// Memory for one block of one shape; for one thread at a time.
final class BlockMaker {
  /// Of every block.
  let shape: BlockShape
  private let device: UnsafeMutableRawPointer
  private let scratch: UnsafeMutableRawPointer
  private let plan: CopyPlan

  /// Memory for a block of this shape.
  init(_ shape: BlockShape) throws(LayoutError) {
    self.shape = shape
    device = .allocate(byteCount: shape.payloadBytes, alignment: 4096)
    scratch = .allocate(byteCount: shape.slotBytes, alignment: 4096)
    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: shape.slotBytes)
    let blockBytes = shape.headCount * shape.layerBytes
    let layers = (0..<shape.layerCount).map { [device] layer in
      DeviceLayer(
        base: device + layer * blockBytes, blockStride: blockBytes, headStride: shape.layerBytes,
        tokenStride: shape.tokenBytes, kvStride: shape.tokenBytes / 2)
    }
    do throws(LayoutError) {
      plan = try CopyPlan(
        geometry: GroupGeometry(kind: .full, shape: shape), layers: layers, deviceBlockCount: 1,
        firstHead: 0, headCount: shape.headCount)
    } catch {
      device.deallocate()
      scratch.deallocate()
      throw error
    }
  }

  deinit {
    device.deallocate()
    scratch.deallocate()
  }

  /// Puts block `number` into a slot as workers do: key, payload, checksums.
  func make(_ number: UInt64, at slot: UnsafeMutableRawPointer) {
    let words = device.assumingMemoryBound(to: UInt64.self)
    let first = Random.mix(number)
    for index in 0..<shape.payloadBytes / 8 {
      words[index] = first &+ UInt64(truncatingIfNeeded: index) &* 0xBF58_476D_1CE4_E5B9
    }
    _ = plan.store(Self.key(number), deviceBlock: 0, slot: slot)
  }

  /// Whether a slot has the payload of block `number`, every byte.
  func isMade(_ number: UInt64, at slot: UnsafeRawPointer) -> Bool {
    make(number, at: scratch)
    let start = shape.headerBytes
    return memcmp(slot + start, scratch + start, shape.payloadBytes) == 0
  }

  /// What the header of block `number` says.
  func description(of number: UInt64) -> SlotDescription {
    var result = SlotDescription(
      namespace: Self.namespace, key: Self.key(number), shape: shape)
    result.position = UInt32(truncatingIfNeeded: number)
    result.producer.engine = "campaign"
    return result
  }

  /// The number of the block that a header names; nil when it is none of these.
  static func number(of description: SlotDescription) -> UInt64? {
    let number = description.key.high
    return description.key == key(number) && description.namespace == namespace ? number : nil
  }

  private static func key(_ number: UInt64) -> BlockKey {
    BlockKey(high: number, low: Random.mix(~number))
  }

  private static let namespace = Array("{\"campaign\":1}".utf8).withUnsafeBytes {
    Namespace(description: $0)
  }
}

/// The shapes of a campaign's blocks: small ones, and ones of several pages a head.
struct CampaignShapes {
  /// Of different slot sizes.
  let all: [BlockShape]

  /// Two shapes, the larger one with a payload of `largeBytes`, a multiple of 16,384.
  init(largeBytes: Int) throws(LayoutError) {
    let small = try BlockShape(
      headCount: 2, layerCount: 2, blockTokens: 16, tokenBytes: 128, elementBytes: 2)
    let large = try BlockShape(
      headCount: 4, layerCount: 2, blockTokens: 16, tokenBytes: largeBytes / 128, elementBytes: 2)
    all = [small, large]
  }

  /// A maker for each shape, by the size of its slots.
  func makers() throws(LayoutError) -> [Int: BlockMaker] {
    var makers: [Int: BlockMaker] = [:]
    for shape in all { makers[shape.slotBytes] = try BlockMaker(shape) }
    return makers
  }
}
