import BlockIdentity
import Glibc
import KVLayout

/// Whether a store takes real bytes and gives them back, and how fast.
public struct ObjectProbe: Hashable, Sendable {
  /// Of the object that was put and got.
  public let byteCount: Int
  /// From submission to outcome; connecting is a part of it.
  public let putSeconds: Double
  /// The same, on the connection that there was.
  public let getSeconds: Double

  /// Puts an object that nobody else has, gets it, compares, and deletes it.
  ///
  /// Waits `seconds` for each of four jobs, and then for what is under way: a file server that does
  /// not answer holds it up.
  ///
  /// - Throws: what the store said; `notAnObject` when other bytes came back.
  public init(
    _ store: any ObjectStore, byteCount: Int = 1 << 20, seconds: Double = 10
  ) throws(ObjectError) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * byteCount, alignment: 4_096)
    defer { memory.deallocate() }
    var generator = SystemRandomNumberGenerator()
    var bits = generator.next()
    let (name, sent) = (Self.name(bits), memory[..<byteCount])
    for index in sent.indices {
      bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      memory[index] = UInt8(truncatingIfNeeded: bits >> 56)
    }
    let base = memory.baseAddress!
    putSeconds = try Self.time(
      store, .put(from: SlotAddress(base), byteCount: byteCount), name, seconds)
    memset(base + byteCount, 0, byteCount)
    do throws(ObjectError) {
      getSeconds = try Self.time(
        store, .get(into: SlotAddress(base + byteCount), byteCount: byteCount), name, seconds)
      _ = try Self.time(store, .look, name, seconds)
    } catch {
      _ = try? Self.time(store, .remove, name, seconds)
      throw error
    }
    _ = try Self.time(store, .remove, name, seconds)
    guard memcmp(base, base + byteCount, byteCount) == 0 else {
      throw .notAnObject("other bytes came back")
    }
    self.byteCount = byteCount
  }

  /// In a namespace that no model has, in one folder, so that probes leave little behind.
  private static func name(_ bits: UInt64) -> ObjectName {
    ObjectName(namespace: .zero, key: BlockKey(high: bits & ~0xFF, low: bits), format: 0)
  }

  private static func time(
    _ store: any ObjectStore, _ operation: ObjectJob.Operation, _ name: ObjectName,
    _ seconds: Double
  ) throws(ObjectError) -> Double {
    let start = MonotonicClock.now
    let deadline = start + UInt64(seconds * 1e9)
    let answer = Answer()
    let isTaken = store.submit(
      ObjectJob(operation, name: name, deadline: deadline) { answer.set($0) })
    guard isTaken else { throw .shutDown }
    switch answer.wait() {
    case .done: return Double(MonotonicClock.now - start) / 1e9
    case .failed(let error): throw error
    case .missing: throw .notAnObject("what was put is not there")
    }
  }
}

/// The outcome of one job, waited for by one thread.
private final class Answer: @unchecked Sendable {
  private var semaphore = sem_t()
  private var outcome = ObjectOutcome.missing

  init() { sem_init(&semaphore, 0, 0) }
  deinit { sem_destroy(&semaphore) }

  func set(_ outcome: ObjectOutcome) {
    self.outcome = outcome
    sem_post(&semaphore)
  }

  func wait() -> ObjectOutcome {
    while sem_wait(&semaphore) != 0 {}
    return outcome
  }
}
