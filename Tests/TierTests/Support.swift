import BlockIdentity
import CLinux
import Glibc
import KVBMTesting
import KVLayout
import Synchronization

@testable import DiskTier

/// A directory that goes, with everything in it, at the last reference.
final class TemporaryDirectory: Sendable {
  let path: String

  init() {
    path = "/tmp/kvbm-tests-".withCString { prefix in
      var template = Array(UnsafeBufferPointer(start: prefix, count: strlen(prefix)))
      template += "XXXXXX\0".utf8.map { CChar($0) }
      return template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    for name in (try? Directory.list(path)) ?? [] where name != "." && name != ".." {
      remove(path + "/" + name)
    }
    if rmdir(path) != 0 { unlink(path) }
  }

  func write(_ name: String, _ text: String) throws {
    try write(name, Array(text.utf8))
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    if let slash = name.lastIndex(of: "/") { try Directory.make(path + "/" + name[..<slash]) }
    try Directory.replace(path + "/" + name, with: bytes)
  }

  func read(_ name: String) throws -> [UInt8]? {
    try Directory.read(path + "/" + name, limit: 1 << 26)
  }
}

/// The drivers that this machine has; whatever uses one is tested with each.
enum Drivers {
  static let all: [DiskOptions.Driver] =
    clinux_try_io_uring() == 0 ? [.threads, .ring] : [.threads]

  static func make(
    _ driver: DiskOptions.Driver, threadCount: Int = 2, queueLimit: Int = 256, depth: Int = 32
  ) throws -> any DiskDriver {
    switch driver {
    case .threads: try ThreadPoolDriver(threadCount: threadCount, queueLimit: queueLimit)
    case .ring, .auto:
      try IOUringDriver(threadCount: threadCount, queueLimit: queueLimit, depth: depth)
    }
  }
}

/// Collects outcomes and lets a test wait for them, at most ten seconds.
final class Outcomes: Sendable {
  private let found = Mutex<[(ticket: UInt64, outcome: DiskOutcome)]>([])

  var callback: DiskStore.Completion {
    { [self] ticket, outcome in found.withLock { $0.append((ticket, outcome)) } }
  }

  var all: [(ticket: UInt64, outcome: DiskOutcome)] { found.withLock { $0 } }

  /// The outcome of a ticket; nil when none came. A second one for it is a crash, on purpose.
  func wait(for ticket: UInt64) -> DiskOutcome? {
    for _ in 0..<100_000 {
      let matching = all.filter { $0.ticket == ticket }
      precondition(matching.count <= 1, "ticket \(ticket) was answered twice")
      if let match = matching.first { return match.outcome }
      usleep(100)
    }
    return nil
  }

  func waitForCount(_ count: Int) -> Bool {
    for _ in 0..<100_000 {
      if all.count >= count { return true }
      usleep(100)
    }
    return false
  }
}

func sampleKey(_ number: UInt64) -> BlockKey {
  BlockKey(high: 0x1122_3344_5566_7788 &+ number, low: 0x99AA_BBCC_DDEE_FF00 ^ (number << 8))
}

func sampleNamespace(_ number: UInt8 = 1) -> Namespace {
  namespaceText(number).withUnsafeBytes { Namespace(description: $0) }
}

func namespaceText(_ number: UInt8) -> [UInt8] { Array("{\"model\": \"m\(number)\"}".utf8) }

/// Two heads of one page each: a slot of three pages.
func smallShape() throws -> BlockShape {
  try BlockShape(headCount: 2, layerCount: 2, blockTokens: 16, tokenBytes: 128, elementBytes: 2)
}

func sampleDescription(
  _ shape: BlockShape, _ number: UInt64, namespace: UInt8 = 1
) -> SlotDescription {
  var result = SlotDescription(
    namespace: sampleNamespace(namespace), key: sampleKey(number), shape: shape)
  result.position = UInt32(truncatingIfNeeded: number)
  result.createdUnixNanoseconds = Int64(truncatingIfNeeded: 1_000 + number)
  result.producer.engine = "vllm 0.32.0"
  return result
}

/// A slot in memory with a block in it, as workers leave it: key, payload, checksums.
final class BlockMemory: @unchecked Sendable {
  let shape: BlockShape
  let memory: AlignedBuffer

  /// Noise: no block.
  init(_ shape: BlockShape) {
    self.shape = shape
    memory = AlignedBuffer(count: shape.slotBytes)
    memory.bytes.initializeMemory(as: UInt8.self, repeating: 0xEE)
  }

  /// Block `number`: its payload follows from the number.
  convenience init(_ shape: BlockShape, _ number: UInt64) throws {
    self.init(shape)
    try fill(number)
  }

  func fill(_ number: UInt64) throws {
    let device = AlignedBuffer(count: shape.payloadBytes)
    var generator = Random(seed: number)
    for offset in stride(from: 0, to: shape.payloadBytes - 7, by: 8) {
      device.bytes.storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
    }
    let blockBytes = shape.headCount * shape.layerBytes
    let layers = (0..<shape.layerCount).map { layer in
      DeviceLayer(
        base: device.address + layer * blockBytes, blockStride: blockBytes,
        headStride: shape.layerBytes, tokenStride: shape.tokenBytes,
        kvStride: shape.tokenBytes / 2)
    }
    let plan = try CopyPlan(
      geometry: GroupGeometry(kind: .full, shape: shape), layers: layers, deviceBlockCount: 1,
      firstHead: 0, headCount: shape.headCount)
    _ = plan.store(sampleKey(number), deviceBlock: 0, slot: memory.address)
  }

  var address: UnsafeMutableRawPointer { memory.address }
  var payload: [UInt8] { Array(memory.bytes[shape.headerBytes...].prefix(shape.payloadBytes)) }
  var all: [UInt8] { Array(memory.bytes) }
}

extension DiskStore {
  /// Opens a store in a directory of a test.
  static func test(
    _ directory: TemporaryDirectory, capacityBytes: Int = 1 << 20, _ outcomes: Outcomes,
    _ kind: DiskOptions.Driver = .threads, driver: (any DiskDriver)? = nil,
    _ change: (inout DiskOptions) -> Void = { _ in }
  ) throws -> DiskStore {
    var options = DiskOptions()
    options.driver = kind
    change(&options)
    return try open(
      directory: directory.path + "/store", capacityBytes: capacityBytes, options: options,
      driver: driver, completion: outcomes.callback)
  }

  func writeAndWait(
    _ outcomes: Outcomes, ticket: UInt64, _ extent: DiskExtent, _ slot: Int, _ number: UInt64
  ) throws -> DiskOutcome? {
    let shape = try smallShape()
    let block = try BlockMemory(shape, number)
    guard
      write(
        ticket: ticket, extent: extent, slot: slot, from: block.address,
        description: sampleDescription(shape, number))
    else { return nil }
    return withExtendedLifetime(block) { outcomes.wait(for: ticket) }
  }

  func readAndWait(
    _ outcomes: Outcomes, ticket: UInt64, _ extent: DiskExtent, _ slot: Int, _ number: UInt64
  ) throws -> (DiskOutcome?, BlockMemory) {
    let shape = try smallShape()
    let block = BlockMemory(shape)
    guard
      read(
        ticket: ticket, extent: extent, slot: slot, into: block.address,
        expecting: sampleDescription(shape, number).expectation)
    else { return (nil, block) }
    return (outcomes.wait(for: ticket), block)
  }
}
