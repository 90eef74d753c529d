import BlockIdentity
import DiskTier
import Glibc
import KVBMTesting
import KVLayout
import Synchronization

@testable import ObjectTier

/// A directory that goes, with everything in it, at the last reference.
final class TemporaryDirectory: Sendable {
  let path: String

  init(in parent: String = "/tmp") {
    var template = Array("\(parent)/kvbm-objects-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { Self.remove(path) }

  static func remove(_ path: String) {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      for name in (try? Directory.list(path)) ?? [] where name != "." && name != ".." {
        remove(path + "/" + name)
      }
    }
    if rmdir(path) != 0 { unlink(path) }
  }

  /// Writes a file, and makes the folders above it.
  func write(_ name: String, _ bytes: [UInt8]) {
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/\(part)"
      mkdir(folder, 0o700)
    }
    let file = fopen("\(path)/\(name)", "w")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  func read(_ name: String) -> [UInt8]? {
    try? Directory.read("\(path)/\(name)", limit: 1 << 26) ?? nil
  }

  /// Every file and folder below it, by its path from here on.
  var tree: Set<String> { Self.tree(path, "") }

  private static func tree(_ root: String, _ below: String) -> Set<String> {
    var found: Set<String> = []
    for name in (try? Directory.list(root + below)) ?? [] where name != "." && name != ".." {
      let path = "\(below)/\(name)"
      found.insert(path)
      var status = stat()
      if lstat(root + path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
        found.formUnion(tree(root, path))
      }
    }
    return found
  }
}

/// Memory of one object, guarded on both sides.
final class ObjectMemory: @unchecked Sendable {
  static let guardBytes = 64
  let byteCount: Int
  private let all: UnsafeMutableRawBufferPointer

  /// Bytes that follow from a number, or noise.
  init(_ byteCount: Int, _ number: UInt64? = nil) {
    self.byteCount = byteCount
    all = .allocate(byteCount: byteCount + 2 * Self.guardBytes, alignment: 64)
    all.initializeMemory(as: UInt8.self, repeating: 0xEE)
    if let number { bytes.copyBytes(from: Self.content(byteCount, number)) }
  }

  deinit { all.deallocate() }

  /// What object `number` is made of.
  static func content(_ byteCount: Int, _ number: UInt64) -> [UInt8] {
    var generator = Random(seed: number)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount + 8)
    while bytes.count < byteCount {
      withUnsafeBytes(of: generator.next()) { bytes += $0 }
    }
    return Array(bytes.prefix(byteCount))
  }

  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: all[Self.guardBytes..<Self.guardBytes + byteCount])
  }
  var address: SlotAddress { SlotAddress(bytes.baseAddress!) }
  var content: [UInt8] { Array(bytes) }

  /// Whether nobody wrote beside it.
  var isGuarded: Bool {
    all.prefix(Self.guardBytes).allSatisfy { $0 == 0xEE }
      && all.suffix(Self.guardBytes).allSatisfy { $0 == 0xEE }
  }
}

func sampleName(_ number: UInt64, namespace: UInt64 = 7) -> ObjectName {
  ObjectName(
    namespace: Bytes16(first: namespace, last: 1),
    key: BlockKey(high: number &* 0x9E37_79B9_7F4A_7C15, low: number), format: 1)
}

/// Outcomes by number, each waited for at most 100 seconds.
final class Answers: Sendable {
  private let found = Mutex<[Int: ObjectOutcome]>([:])

  func callback(_ number: Int) -> @Sendable (ObjectOutcome) -> Void {
    { outcome in
      self.found.withLock { found in
        precondition(found[number] == nil, "job \(number) was answered twice")
        found[number] = outcome
      }
    }
  }

  var count: Int { found.withLock { $0.count } }
  var all: [ObjectOutcome] { found.withLock { Array($0.values) } }

  func wait(for number: Int) -> ObjectOutcome? {
    for _ in 0..<1_000_000 {
      if let outcome = found.withLock({ $0[number] }) { return outcome }
      usleep(100)
    }
    return nil
  }
}

extension ObjectStore {
  /// Does one job and waits for it; nil when it was refused or never answered.
  func perform(
    _ operation: ObjectJob.Operation, _ name: ObjectName, seconds: Double = 60
  ) -> ObjectOutcome? {
    let answers = Answers()
    let deadline = MonotonicClock.now + UInt64(seconds * 1e9)
    guard
      submit(
        ObjectJob(operation, name: name, deadline: deadline, complete: answers.callback(0)))
    else { return nil }
    return answers.wait(for: 0)
  }

  func put(_ number: UInt64, _ byteCount: Int = 12_288, seconds: Double = 60) -> ObjectOutcome? {
    let memory = ObjectMemory(byteCount, number)
    return withExtendedLifetime(memory) {
      perform(
        .put(from: memory.address, byteCount: byteCount), sampleName(number), seconds: seconds)
    }
  }

  func get(
    _ number: UInt64, _ byteCount: Int = 12_288, seconds: Double = 60
  ) -> (outcome: ObjectOutcome?, memory: ObjectMemory) {
    let memory = ObjectMemory(byteCount)
    let outcome = perform(
      .get(into: memory.address, byteCount: byteCount), sampleName(number), seconds: seconds)
    return (outcome, memory)
  }

  func look(_ number: UInt64) -> ObjectOutcome? { perform(.look, sampleName(number)) }
  func remove(_ number: UInt64) -> ObjectOutcome? { perform(.remove, sampleName(number)) }

  /// Whether an object comes back as it should be, with nothing written beside it.
  func has(_ number: UInt64, _ byteCount: Int = 12_288) -> Bool {
    let (outcome, memory) = get(number, byteCount)
    return outcome == .done && memory.isGuarded
      && memory.content == ObjectMemory.content(byteCount, number)
  }
}
