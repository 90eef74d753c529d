import BlockIdentity
import Glibc
import Testing
import Wire

/// A ring memory of its own, freed with the value.
private final class TestRing {
  let memory: RingMemory
  private let base: UnsafeMutableRawPointer

  init() {
    base = mmap(
      nil, RingMemory.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    memory = RingMemory(base: base)
  }

  deinit { munmap(base, RingMemory.byteCount) }
}

@Suite("Ring")
struct RingTests {
  @Test("Messages of every small length come out as they went in, across many turns of the ring")
  func roundTrip() throws {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    var consumer = RingConsumer(ring.memory.requests)
    var body: [UInt8] = []
    for number in 0..<40_000 {
      let message = (0..<(number % 300)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
      let header = MessageHeader(kind: UInt16(number % 5), sequence: UInt64(number))
      let sent = try message.withUnsafeBytes { try producer.send(header, $0) }
      #expect(sent)
      #expect(try consumer.receive(into: &body) == header)
      #expect(body == message)
    }
    #expect(try consumer.receive(into: &body) == nil)
  }

  @Test("A full ring takes nothing, and takes again after a message was read")
  func fullRing() throws {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    var consumer = RingConsumer(ring.memory.requests)
    let message = [UInt8](repeating: 3, count: 1 << 20)
    var count = 0
    while try message.withUnsafeBytes({
      try producer.send(MessageHeader(kind: 1, sequence: UInt64(count)), $0)
    }) {
      count += 1
    }
    #expect(count == 3)
    var body: [UInt8] = []
    #expect(try consumer.receive(into: &body)?.sequence == 0)
    let sent = try message.withUnsafeBytes {
      try producer.send(MessageHeader(kind: 1, sequence: 3), $0)
    }
    #expect(sent)
  }

  @Test("A message beyond the limit is refused, not cut")
  func tooLarge() throws {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    let message = [UInt8](repeating: 0, count: WireFormat.messageBytesMax)
    let sent = try message.withUnsafeBytes {
      try producer.send(MessageHeader(kind: 1, sequence: 1), $0)
    }
    #expect(!sent)
  }

  @Test(
    "A tail that cannot be is noticed",
    arguments: [1, 15, UInt64(RingMemory.ringBytes) + 1, .max] as [UInt64])
  func falseTail(tail: UInt64) {
    let ring = TestRing()
    ring.memory.base.storeBytes(of: tail, as: UInt64.self)
    var consumer = RingConsumer(ring.memory.requests)
    var body: [UInt8] = []
    #expect(throws: WireError.corruptRing) { try consumer.receive(into: &body) }
  }

  @Test(
    "A length that cannot be is noticed", arguments: [0, 15, 65, 1 << 21, .max] as [UInt32])
  func falseLength(length: UInt32) throws {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    var consumer = RingConsumer(ring.memory.requests)
    let message = [UInt8](repeating: 9, count: 48)
    _ = try message.withUnsafeBytes {
      try producer.send(MessageHeader(kind: 1, sequence: 1), $0)
    }
    ring.memory.base.storeBytes(of: length, toByteOffset: 4096, as: UInt32.self)
    var body: [UInt8] = []
    #expect(throws: WireError.corruptRing) { try consumer.receive(into: &body) }
  }

  @Test("A head that the reader moved beyond the tail stops the writer")
  func falseHead() {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    ring.memory.base.storeBytes(of: 64, toByteOffset: 64, as: UInt64.self)
    #expect(throws: WireError.corruptRing) {
      try [UInt8](repeating: 1, count: 8).withUnsafeBytes {
        try producer.send(MessageHeader(kind: 1, sequence: 1), $0)
      }
    }
  }

  @Test("A sleeping reader is rung for once, and never sleeps over a message")
  func doorbell() throws {
    let ring = TestRing()
    var producer = RingProducer(ring.memory.requests)
    var consumer = RingConsumer(ring.memory.requests)
    #expect(!producer.mustRing())
    #expect(consumer.prepareToSleep())
    #expect(producer.mustRing())
    #expect(!producer.mustRing())
    _ = try [UInt8]().withUnsafeBytes {
      try producer.send(MessageHeader(kind: 1, sequence: 1), $0)
    }
    #expect(!consumer.prepareToSleep())
    var body: [UInt8] = []
    #expect(try consumer.receive(into: &body) != nil)
    #expect(consumer.prepareToSleep())
  }
}
