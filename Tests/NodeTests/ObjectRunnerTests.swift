import BlockIdentity
import Glibc
import HostTier
import ObjectTier
import Protection
import Synchronization
import Testing

@testable import KVBMNode
@testable import KVLayout

/// What the runner makes of a store that does what a test wants.
@Suite("The runner of the object store")
struct ObjectRunnerTests {
  private let ends = Ends()

  private func makeRunner(
    _ store: ScriptedStore, failures: Int = 0, _ form: SlotProtection.Form = .authenticated,
    keys: String? = TestKeys.first
  ) throws -> ObjectRunner {
    let left = Countdown(failures)
    let keeper = ObjectKeeper(
      url: "test", limits: ObjectLimits(), sweepMilliseconds: 1_000
    ) { () throws(ObjectError) in
      guard left.isOver else { throw .gone(path: "/nowhere") }
      return store
    }
    let protector = try TestKeys.ring(keys).map { Protector(keys: $0, form: form) }
    let made = ObjectRunner(keeper, ObjectForm(protector: protector)) { [ends] ticket, _, end in
      ends.note(ticket, end)
    }
    let runner = try #require(made)
    for _ in 0..<30_000 where keeper.store == nil { usleep(1_000) }
    return runner
  }

  private func put(_ slot: HostSlot, ticket: UInt64 = 1) -> PutCopier.Put {
    PutCopier.Put(
      ticket: ticket, memory: slot.memory, slot: 0, description: slot.description, deadline: .max)
  }

  private func get(_ runner: ObjectRunner, _ slot: HostSlot, ticket: UInt64 = 2) -> Bool {
    runner.get(
      ticket: ticket, into: slot.memory, slot: 1, expecting: slot.description.expectation,
      deadline: .max)
  }

  @Test("An object is a sealed copy; the slot itself stays as it was, and comes back byte for byte")
  func roundTrip() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let runner = try makeRunner(store)
    let before = slot.bytes(of: 0)
    #expect(runner.put(put(slot)))
    #expect(ends.wait(for: 1) == .done)
    #expect(slot.bytes(of: 0) == before)
    #expect(get(runner, slot))
    #expect(ends.wait(for: 2) == .done)
    #expect(slot.payload(of: 1) == slot.payload(of: 0))
    #expect(runner.look(ticket: 3, part: 0, name: slot.name, deadline: .max))
    #expect(ends.wait(for: 3) == .done)
    #expect(runner.close(withinMilliseconds: 10_000))
    #expect(!runner.put(put(slot)) && !get(runner, slot))
  }

  @Test("An object that was made without the key is refused, and removed; another key's stays")
  func forged() throws {
    let slot = try HostSlot()
    let cases: [(SlotProtection.Form, String?, Bool)] = [
      (.plain, nil, false), (.authenticated, TestKeys.second, true),
      (.encrypted, TestKeys.second, true),
    ]
    for (index, (form, keys, isKept)) in cases.enumerated() {
      let (forged, store) = (ScriptedStore(), ScriptedStore())
      let tickets = (UInt64(10 * index + 1), UInt64(10 * index + 2))
      let forger = try makeRunner(forged, form, keys: keys)
      #expect(forger.put(put(slot, ticket: tickets.0)) && ends.wait(for: tickets.0) == .done)
      #expect(forger.close(withinMilliseconds: 10_000))
      store.set(slot.name, try #require(forged.object(slot.name)))
      let runner = try makeRunner(store)
      #expect(get(runner, slot, ticket: tickets.1))
      guard case .wrong(let fault) = ends.wait(for: tickets.1) else {
        Issue.record("\(form) was taken")
        continue
      }
      #expect(isKept ? !ObjectForm.isWorthless(fault) : fault == .unprotected)
      #expect(store.waitUntilGone(slot.name) != isKept)
      #expect(runner.close(withinMilliseconds: 10_000))
    }
  }

  @Test("Content under another block's header is refused, whatever checksums say")
  func mixed() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let runner = try makeRunner(store)
    #expect(runner.put(put(slot)) && ends.wait(for: 1) == .done)
    var bytes = try #require(store.object(slot.name))
    let headerBytes = slot.description.shape.headerBytes
    bytes[headerBytes] ^= 1
    // As somebody does who knows the format: checksums of head, table and header are made anew.
    bytes.withUnsafeMutableBytes { raw in
      let head = UnsafeRawBufferPointer(
        rebasing: raw[headerBytes..<headerBytes + slot.description.shape.headBytes])
      SlotHeader.writeChecksum(
        SlotHeader.headChecksum(head, key: slot.description.key, group: 0, head: 0), head: 0,
        to: raw.baseAddress!)
      let root = SlotHeader.rootChecksum(
        of: raw.baseAddress!, key: slot.description.key,
        headCount: slot.description.shape.headCount)
      raw.storeBytes(of: root, toByteOffset: 496, as: UInt64.self)
      SlotHeader.writeHeaderChecksum(raw.baseAddress!, headerBytes: headerBytes)
    }
    store.set(slot.name, bytes)
    #expect(get(runner, slot))
    #expect(ends.wait(for: 2) == .wrong(.forged))
    #expect(store.waitUntilGone(slot.name))
    #expect(runner.close(withinMilliseconds: 10_000))
  }

  @Test("Every flipped byte of an object is found, and the object is removed")
  func flipped() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let runner = try makeRunner(store)
    #expect(runner.put(put(slot)) && ends.wait(for: 1) == .done)
    let whole = try #require(store.object(slot.name))
    var ticket: UInt64 = 10
    var missed: [Int] = []
    for place in stride(from: 0, to: whole.count, by: 37) {
      var bytes = whole
      bytes[place] ^= 0x10
      store.set(slot.name, bytes)
      ticket += 1
      #expect(get(runner, slot, ticket: ticket))
      guard case .wrong(let fault) = ends.wait(for: ticket) else {
        missed.append(place)
        continue
      }
      let isOtherVersion = !ObjectForm.isWorthless(fault)
      #expect(store.waitUntilGone(slot.name) != isOtherVersion)
    }
    #expect(missed.isEmpty, "flipped bytes that were not found")
    #expect(runner.close(withinMilliseconds: 10_000))
  }

  @Test("Another block's object is found, though it is sound in itself")
  func otherBlock() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let other = try HostSlot(key: 2)
    let runner = try makeRunner(store)
    #expect(runner.put(put(other)) && ends.wait(for: 1) == .done)
    store.set(slot.name, try #require(store.object(other.name)))
    #expect(get(runner, slot))
    #expect(
      ends.wait(for: 2) == .wrong(.otherBlock(key: other.description.key, group: 0)))
    #expect(runner.close(withinMilliseconds: 10_000))
  }

  @Test("Memory that holds another block by now is not put")
  func overwritten() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let runner = try makeRunner(store)
    SlotHeader.writeKey(BlockKey(high: 9, low: 9), to: slot.memory.slot(0))
    #expect(runner.put(put(slot)))
    #expect(ends.wait(for: 1) == .wrong(.otherBlock(key: BlockKey(high: 9, low: 9), group: 0)))
    #expect(store.object(slot.name) == nil)
    #expect(runner.close(withinMilliseconds: 10_000))
  }

  @Test("A store that cannot be opened at first is opened later, and nothing is taken before")
  func opening() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot())
    let keeper = ObjectKeeper(
      url: "test", limits: ObjectLimits(), sweepMilliseconds: 1_000
    ) { () throws(ObjectError) in
      throw .gone(path: "/nowhere")
    }
    let made = ObjectRunner(keeper, ObjectForm(protector: nil)) { _, _, _ in }
    let closed = try #require(made)
    for _ in 0..<30_000 where keeper.failure == nil { usleep(1_000) }
    #expect(keeper.failure == .gone(path: "/nowhere"))
    #expect(!closed.put(put(slot)) && !get(closed, slot))
    #expect(closed.close(withinMilliseconds: 10_000))

    let late = try makeRunner(store, failures: 1)
    #expect(late.keeper.failure == nil)
    #expect(late.put(put(slot)) && ends.wait(for: 1) == .done)
    #expect(late.close(withinMilliseconds: 10_000))
  }

  @Test("Copies stay within their budget; what waits is put when there is room, or has failed")
  func budget() throws {
    let (store, slot) = (ScriptedStore(), try HostSlot(layerCount: 2_048))
    let runner = try makeRunner(store)
    store.isStuck.store(true, ordering: .releasing)
    for ticket in 1...10 { #expect(runner.put(put(slot, ticket: UInt64(ticket)))) }
    let room = (64 << 20) / slot.description.shape.slotBytes
    for _ in 0..<30_000 where store.heldCount < room { usleep(1_000) }
    usleep(50_000)
    #expect(room < 10 && store.heldCount == room)
    store.release(1)
    #expect(ends.wait(for: 1) == .done)
    for _ in 0..<30_000 where store.heldCount < room { usleep(1_000) }
    #expect(store.heldCount == room)
    #expect(runner.close(withinMilliseconds: 10_000))
    let all = (1...10).map { ends.wait(for: UInt64($0)) }
    #expect(all.count { $0 == .done } == 1)
    #expect(all.count { $0 == .failed(.shutDown) } == 9)
  }

  @Test("A call that is stuck does not hold the end up, and keeps the memory that it may write to")
  func stuck() throws {
    let store = ScriptedStore()
    weak var memory: HostMemory?
    try autoreleased {
      let slot = try HostSlot()
      let runner = try makeRunner(store)
      #expect(runner.put(put(slot)) && ends.wait(for: 1) == .done)
      store.isStuck.store(true, ordering: .releasing)
      store.staysStuck.store(true, ordering: .releasing)
      #expect(get(runner, slot))
      #expect(!runner.close(withinMilliseconds: 50))
      memory = slot.memory
    }
    #expect(memory != nil)
    store.release(1)
    #expect(ends.wait(for: 2) == .done)
    store.staysStuck.store(false, ordering: .releasing)
  }

  private func autoreleased(_ body: () throws -> Void) rethrows { try body() }
}

/// Counts failures that are still to come.
final class Countdown: Sendable {
  private let left: Mutex<Int>

  init(_ count: Int) { left = Mutex(count) }

  /// Whether none was left; else one fewer is.
  var isOver: Bool {
    left.withLock { left in
      defer { left = max(0, left - 1) }
      return left == 0
    }
  }
}

/// Ends by ticket, each told once.
final class Ends: Sendable {
  private let found = Mutex<[UInt64: ObjectEnd]>([:])

  func note(_ ticket: UInt64, _ end: ObjectEnd) {
    found.withLock { found in
      precondition(found[ticket] == nil, "ticket \(ticket) has ended twice")
      found[ticket] = end
    }
  }

  func wait(for ticket: UInt64) -> ObjectEnd? {
    for _ in 0..<60_000 {
      if let end = found.withLock({ $0[ticket] }) { return end }
      usleep(1_000)
    }
    return nil
  }
}

/// Objects in memory, on a thread of their own; jobs wait while it is stuck.
final class ScriptedStore: ObjectStore {
  private struct State: Sendable {
    var objects: [ObjectName: [UInt8]] = [:]
    var held: [ObjectJob] = []
    var isShut = false
  }

  private let state = Mutex(State())
  let isStuck = Atomic(false)
  /// Whether not even a shutdown ends what is held.
  let staysStuck = Atomic(false)

  var figures: ObjectFigures { ObjectFigures() }
  var heldCount: Int { state.withLock { $0.held.count } }

  func object(_ name: ObjectName) -> [UInt8]? { state.withLock { $0.objects[name] } }
  func set(_ name: ObjectName, _ bytes: [UInt8]) { state.withLock { $0.objects[name] = bytes } }

  func waitUntilGone(_ name: ObjectName) -> Bool {
    for _ in 0..<2_000 {
      if object(name) == nil { return true }
      usleep(100)
    }
    return false
  }

  func submit(_ job: ObjectJob) -> Bool {
    let isStuck = isStuck.load(ordering: .acquiring)
    let isTaken = state.withLock { state in
      guard !state.isShut else { return false }
      if isStuck { state.held.append(job) }
      return true
    }
    if isTaken && !isStuck { carryOut(job) }
    return isTaken
  }

  /// Carries the first jobs out that are held.
  func release(_ count: Int) {
    let jobs = state.withLock { state in
      let jobs = Array(state.held.prefix(count))
      state.held.removeFirst(jobs.count)
      return jobs
    }
    for job in jobs { carryOut(job) }
  }

  func shutdown() {
    state.withLock { $0.isShut = true }
    while staysStuck.load(ordering: .acquiring) { usleep(1_000) }
    let jobs = state.withLock { state in
      defer { state.held = [] }
      return state.held
    }
    for job in jobs { job.complete(.failed(.shutDown)) }
  }

  private func carryOut(_ job: ObjectJob) {
    job.complete(
      state.withLock { state -> ObjectOutcome in
        switch job.operation {
        case .put(let memory, let count):
          let bytes = UnsafeRawBufferPointer(start: memory.pointer, count: count)
          state.objects[job.name] = Array(bytes)
          return .done
        case .get(let memory, let count):
          guard let object = state.objects[job.name], object.count == count else {
            return .missing
          }
          UnsafeMutableRawBufferPointer(start: memory.pointer, count: count)
            .copyBytes(from: object)
          return .done
        case .look: return state.objects[job.name] == nil ? .missing : .done
        case .remove: return state.objects.removeValue(forKey: job.name) == nil ? .missing : .done
        }
      })
  }
}

/// Host memory of two slots; the first holds a block as an engine has stored it.
struct HostSlot {
  let memory: HostMemory
  let description: SlotDescription
  var name: ObjectName {
    ObjectRunner.name(description.namespace, description.key, group: Int(description.group))
  }

  init(key number: UInt64 = 1, layerCount: Int = 1) throws {
    let shape = try BlockShape(
      headCount: 2, layerCount: layerCount, blockTokens: 16, tokenBytes: 256, elementBytes: 2)
    memory = try HostMemory(
      name: "test", slotBytes: shape.slotBytes, capacityBytes: 2 * shape.slotBytes)
    for extent in 0..<memory.extentCount { try memory.populate(extent: extent) }
    let key = BlockKey(high: number, low: number << 20)
    let namespace = Array("test".utf8).withUnsafeBytes { Namespace(description: $0) }
    description = SlotDescription(namespace: namespace, key: key, shape: shape)
    let slot = memory.slot(0)
    var mixed = number
    let payload = shape.headerBytes..<shape.headerBytes + shape.payloadBytes
    for place in stride(from: payload.lowerBound, to: payload.upperBound, by: 8) {
      mixed = mixed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      slot.storeBytes(of: mixed ^ mixed >> 29, toByteOffset: place, as: UInt64.self)
    }
    SlotHeader.writeKey(key, to: slot)
    for head in 0..<shape.headCount {
      let bytes = UnsafeRawBufferPointer(
        start: slot + shape.headOffset(head), count: shape.headBytes)
      SlotHeader.writeChecksum(
        SlotHeader.headChecksum(bytes, key: key, group: 0, head: head), head: head, to: slot)
    }
  }

  func bytes(of slot: Int) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: memory.slot(slot), count: memory.slotBytes))
  }

  func payload(of slot: Int) -> ArraySlice<UInt8> {
    bytes(of: slot)[description.shape.headerBytes...]
  }
}
