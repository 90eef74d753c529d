import BlockEngine
import BlockIdentity
import DiskTier
import Glibc
import HostTier
import KVLayout
import ObjectTier
import Synchronization

/// How a part of an operation on the object store ended.
enum ObjectEnd: Hashable, Sendable {
  /// Stored, in host memory and proven, or there.
  case done
  /// There is no such object.
  case missing
  /// An object, or what was to become one, was not the block.
  case wrong(SlotFault)
  /// None of this is known.
  case failed(ObjectError)
}

/// Carries out the engine's puts, gets and questions on an object store that other nodes use.
///
/// What is put is copied first, by `PutCopier`: meanwhile the slot may be written to disk, which
/// seals another header into it. What is got is proven before it counts; an object that is wrong is
/// deleted, so that it can be put again. Safe from any thread; nothing waits.
final class ObjectRunner: Sendable {
  /// Receives the end of each part, once; never on the thread that asked.
  typealias Completion = @Sendable (_ ticket: UInt64, _ part: Int, _ end: ObjectEnd) -> Void

  /// Opens the store and sweeps it.
  let keeper: ObjectKeeper
  private let form: ObjectForm
  private let copier: PutCopier
  private let completion: Completion
  private let hasEnded = Atomic(false)

  /// Begins to open the store; nil when the system gives no threads.
  init?(_ keeper: ObjectKeeper, _ form: ObjectForm, completion: @escaping Completion) {
    self.keeper = keeper
    self.form = form
    self.completion = completion
    copier = PutCopier(keeper, form) { completion($0, 0, $1) }
    guard copier.start(), keeper.start() else {
      _ = close(withinMilliseconds: 1_000)
      return nil
    }
  }

  /// What the store has met since it was opened.
  var figures: ObjectFigures { keeper.store?.figures ?? ObjectFigures() }

  /// The name of a block's object.
  static func name(_ namespace: Namespace, _ key: BlockKey, group: Int) -> ObjectName {
    ObjectName(namespace: namespace, key: key.inGroup(group), format: ObjectForm.format)
  }

  /// Begins to put a block; false when it cannot: no end will come.
  func put(_ put: PutCopier.Put) -> Bool { keeper.store != nil && copier.add(put) }

  /// Begins to get a block into a slot of `memory`, likewise.
  ///
  /// - Precondition: the expectation's shape has the memory's slot size.
  func get(
    ticket: UInt64, into memory: HostMemory, slot: Int, expecting expectation: SlotExpectation,
    deadline: UInt64
  ) -> Bool {
    precondition(expectation.shape.slotBytes == memory.slotBytes, "a slot of another class")
    let name = Self.name(expectation.namespace, expectation.key, group: Int(expectation.group))
    let count = ObjectForm.byteCount(expectation.shape)
    let target = SlotAddress(memory.slot(slot))
    guard let store = keeper.store else { return false }
    return store.submit(
      ObjectJob(.get(into: target, byteCount: count), name: name, deadline: deadline) {
        [self] outcome in
        // A call that is stuck keeps the memory that it may write to.
        withExtendedLifetime(memory) {
          guard outcome == .done else { return completion(ticket, 0, ObjectEnd(outcome)) }
          let bytes = UnsafeMutableRawBufferPointer(start: target.pointer, count: count)
          guard let fault = form.unpack(bytes, expecting: expectation) else {
            return completion(ticket, 0, .done)
          }
          if ObjectForm.isWorthless(fault) { remove(name) }
          completion(ticket, 0, .wrong(fault))
        }
      })
  }

  /// Asks whether a block's object is there, likewise.
  func look(ticket: UInt64, part: Int, name: ObjectName, deadline: UInt64) -> Bool {
    guard let store = keeper.store else { return false }
    return store.submit(
      ObjectJob(.look, name: name, deadline: deadline) { [completion] outcome in
        completion(ticket, part, ObjectEnd(outcome))
      })
  }

  /// If it cannot be now, whoever gets it next tries again.
  private func remove(_ name: ObjectName) {
    let deadline = Clock.now.nanoseconds &+ Self.removalNanoseconds
    _ = keeper.store?.submit(ObjectJob(.remove, name: name, deadline: deadline) { _ in })
  }

  private static let removalNanoseconds: UInt64 = 10_000_000_000

  /// Takes no more, and waits until all ends have been told, but not for ever: a file server may
  /// not answer.
  ///
  /// - Returns: Whether they have; if not, what is under way goes on with memory of its own.
  func close(withinMilliseconds limit: Int) -> Bool {
    copier.stop()
    keeper.stop()
    let closer = ThreadGroup()
    let code = closer.start(name: "kvbm-object-end") { [self] in
      copier.join()
      keeper.store?.shutdown()
      // One that was opened, or is swept, meanwhile.
      keeper.join()
      keeper.store?.shutdown()
      hasEnded.store(true, ordering: .releasing)
    }
    guard code == 0 else { return false }
    for _ in 0..<limit {
      if hasEnded.load(ordering: .acquiring) {
        closer.join()
        return true
      }
      usleep(1_000)
    }
    return false
  }
}

extension ObjectEnd {
  /// The store's word, where nothing was to be proven.
  init(_ outcome: ObjectOutcome) {
    switch outcome {
    case .done: self = .done
    case .missing: self = .missing
    case .failed(let error): self = .failed(error)
    }
  }
}
