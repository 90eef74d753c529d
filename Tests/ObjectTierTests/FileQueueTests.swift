import Glibc
import Synchronization
import Testing

@testable import ObjectTier

@Suite("The queue of a shared directory")
struct FileQueueTests {
  let directory = TemporaryDirectory()

  /// A store with one thread that is stuck until `gate` opens, as in a call to a dead file server.
  private func stuckStore(
    queueLimit: Int, gate: Gate, _ answers: Answers
  ) throws -> FileObjectStore {
    var options = FileObjectStore.Options()
    (options.threadCount, options.queueLimit) = (1, queueLimit)
    let store = try FileObjectStore(path: directory.path + "/store", options: options)
    let job = ObjectJob(.look, name: sampleName(0), deadline: .max) { outcome in
      gate.wait()
      answers.callback(0)(outcome)
    }
    #expect(store.submit(job))
    gate.waitForVisitor()
    return store
  }

  @Test("A full queue refuses; what waits past its deadline ends though every thread is stuck")
  func stuck() throws {
    let (gate, answers) = (Gate(), Answers())
    let store = try stuckStore(queueLimit: 3, gate: gate, answers)
    let memory = ObjectMemory(4_096)
    for index in 1...4 {
      let job = ObjectJob(
        .get(into: memory.address, byteCount: 4_096), name: sampleName(1),
        deadline: index == 2 ? .max : MonotonicClock.now + UInt64(4 - index) * 50_000_000,
        complete: answers.callback(index))
      #expect(store.submit(job) == (index < 4))
    }
    #expect(answers.wait(for: 1) == .failed(.timedOut))
    #expect(answers.wait(for: 3) == .failed(.timedOut))
    #expect(answers.count == 2)
    gate.open()
    #expect(answers.wait(for: 0) == .missing && answers.wait(for: 2) == .missing)
    #expect(memory.content.allSatisfy { $0 == 0xEE })
  }

  @Test("Questions go before gets and gets before puts; in its kind the oldest goes first")
  func ranks() throws {
    let (gate, answers) = (Gate(), Answers())
    let store = try stuckStore(queueLimit: 8, gate: gate, answers)
    let memory = ObjectMemory(4_096)
    let (put, get): (ObjectJob.Operation, ObjectJob.Operation) = (
      .put(from: memory.address, byteCount: 4_096), .get(into: memory.address, byteCount: 4_096)
    )
    let order = Mutex<[Int]>([])
    for (index, operation) in [put, get, .look, put, .remove, .look].enumerated() {
      let job = ObjectJob(operation, name: sampleName(1), deadline: .max) { outcome in
        order.withLock { $0.append(index) }
        answers.callback(index + 1)(outcome)
      }
      #expect(store.submit(job))
    }
    gate.open()
    for index in 1...6 { _ = answers.wait(for: index) }
    #expect(order.withLock { $0 } == [2, 5, 1, 4, 0, 3])
  }

  @Test("A job that comes too late is not begun")
  func late() throws {
    let store = try FileObjectStore(path: directory.path + "/store")
    #expect(store.put(1, seconds: 0) == .failed(.timedOut))
    #expect(store.look(1) == .missing)
  }

  @Test("Shutdown answers every job once and takes no more")
  func shutdown() throws {
    let (gate, answers) = (Gate(), Answers())
    let store = try stuckStore(queueLimit: 8, gate: gate, answers)
    for index in 1...5 {
      #expect(
        store.submit(
          ObjectJob(
            .look, name: sampleName(1), deadline: .max, complete: answers.callback(index))))
    }
    gate.open(afterMilliseconds: 50)
    store.shutdown()
    #expect(answers.count == 6)
    #expect(!store.submit(ObjectJob(.look, name: sampleName(1), deadline: .max) { _ in }))
    store.shutdown()
  }
}

/// Holds a thread up until it is opened.
final class Gate: Sendable {
  private let isOpen = Atomic(false)
  private let hasVisitor = Atomic(false)
  private let opensAt = Atomic<UInt64>(.max)

  func open() { isOpen.store(true, ordering: .releasing) }

  func open(afterMilliseconds milliseconds: UInt64) {
    opensAt.store(MonotonicClock.now + milliseconds * 1_000_000, ordering: .releasing)
  }

  func wait() {
    hasVisitor.store(true, ordering: .releasing)
    while !isOpen.load(ordering: .acquiring)
      && MonotonicClock.now < opensAt.load(ordering: .acquiring)
    { usleep(200) }
  }

  func waitForVisitor() { while !hasVisitor.load(ordering: .acquiring) { usleep(200) } }
}
