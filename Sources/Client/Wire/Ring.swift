import CLinux

/// The shared memory of one attachment: a control page, then a ring in each direction.
///
/// Both sides map it and trust nothing in it: counters and lengths are checked at each use, and a
/// message is copied out before it is read.
public struct RingMemory: @unchecked Sendable {
  /// Bytes of each ring; a power of two.
  public static let ringBytes = 4 << 20
  private static let controlBytes = 4096
  /// Bytes of the whole memory: the control page and both rings.
  public static let byteCount = controlBytes + 2 * ringBytes

  /// Where the memory is mapped; whoever mapped it keeps it so while this is used.
  public let base: UnsafeMutableRawPointer

  /// `base` must have `byteCount` bytes, zero when the attachment is made.
  public init(base: UnsafeMutableRawPointer) { self.base = base }

  /// Client to node.
  public var requests: Ring { ring(0) }
  /// Node to client.
  public var replies: Ring { ring(1) }

  /// Set by the node when it gives the attachment up; the client lets go of it then.
  public var isClosed: Bool {
    get { clinux_load_acquire(word(256)) != 0 }
    nonmutating set { clinux_store_release(word(256), newValue ? 1 : 0) }
  }

  private func ring(_ index: Int) -> Ring {
    Ring(
      tail: word(index * 512), head: word(index * 512 + 64), sleeping: word(index * 512 + 128),
      data: base + Self.controlBytes + index * Self.ringBytes)
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<UInt64> {
    (base + offset).assumingMemoryBound(to: UInt64.self)
  }
}

/// One direction: bytes from one producer to one consumer, with counters that only rise.
public struct Ring: @unchecked Sendable {
  /// Bytes written, by the producer.
  let tail: UnsafeMutablePointer<UInt64>
  /// Bytes read, by the consumer.
  let head: UnsafeMutablePointer<UInt64>
  /// 1 while the consumer waits for its doorbell.
  let sleeping: UnsafeMutablePointer<UInt64>
  /// The ring's bytes, `RingMemory.ringBytes` of them.
  let data: UnsafeMutableRawPointer

  /// Length, kind and sequence, ahead of each message's body.
  static let messageHeaderBytes = 16

  /// Writes bytes at a counter's value, around the ring's end; the caller has checked the room.
  func copyIn(_ source: UnsafeRawPointer, _ count: Int, at position: UInt64) {
    let offset = Int(position & UInt64(RingMemory.ringBytes - 1))
    let first = min(count, RingMemory.ringBytes - offset)
    (data + offset).copyMemory(from: source, byteCount: first)
    if first < count { data.copyMemory(from: source + first, byteCount: count - first) }
  }

  /// Reads bytes at a counter's value, around the ring's end; they may change meanwhile.
  func copyOut(_ target: UnsafeMutableRawPointer, _ count: Int, at position: UInt64) {
    let offset = Int(position & UInt64(RingMemory.ringBytes - 1))
    let first = min(count, RingMemory.ringBytes - offset)
    target.copyMemory(from: data + offset, byteCount: first)
    if first < count { (target + first).copyMemory(from: data, byteCount: count - first) }
  }
}

/// What a message is, before its fields.
public struct MessageHeader: Equatable, Sendable {
  /// One of `MessageKind`, or what the other side made up.
  public var kind: UInt16
  /// Chosen by the asker; its reply carries the same.
  public var sequence: UInt64

  /// A header; a message that has no reply takes sequence 0.
  public init(kind: UInt16, sequence: UInt64) {
    self.kind = kind
    self.sequence = sequence
  }
}

/// The writing end of a ring. One thread at a time.
public struct RingProducer: Sendable {
  private let ring: Ring
  /// Our own count, so that the other side cannot move it.
  private var written: UInt64 = 0

  /// The writing end of a ring that nothing was written to yet.
  public init(_ ring: Ring) { self.ring = ring }

  /// Puts a message in, whole or not at all.
  ///
  /// - Returns: False when there is no room now, or the message is too large for ever.
  /// - Throws: `corruptRing`.
  public mutating func send(
    _ header: MessageHeader, _ body: UnsafeRawBufferPointer
  ) throws(WireError) -> Bool {
    let count = Ring.messageHeaderBytes + (body.count + 7) & ~7
    guard count <= WireFormat.messageBytesMax else { return false }
    let used = written &- clinux_load_acquire(ring.head)
    guard used <= UInt64(RingMemory.ringBytes) else { throw .corruptRing }
    guard count <= RingMemory.ringBytes - Int(used) else { return false }
    withUnsafeTemporaryAllocation(byteCount: Ring.messageHeaderBytes, alignment: 8) { raw in
      let exact = UInt32(truncatingIfNeeded: Ring.messageHeaderBytes + body.count)
      raw.storeBytes(of: exact, as: UInt32.self)
      raw.storeBytes(of: UInt32(header.kind), toByteOffset: 4, as: UInt32.self)
      raw.storeBytes(of: header.sequence, toByteOffset: 8, as: UInt64.self)
      ring.copyIn(raw.baseAddress!, raw.count, at: written)
    }
    if let start = body.baseAddress {
      ring.copyIn(start, body.count, at: written &+ UInt64(Ring.messageHeaderBytes))
    }
    written &+= UInt64(count)
    clinux_store_seq(ring.tail, written)
    return true
  }

  /// Whether the consumer waits for its doorbell, which the caller rings then, once.
  public func mustRing() -> Bool { clinux_exchange(ring.sleeping, 0) == 1 }
}

/// The reading end of a ring. One thread at a time.
public struct RingConsumer: Sendable {
  private let ring: Ring
  private var consumed: UInt64 = 0

  /// The reading end of a ring that nothing was read from yet.
  public init(_ ring: Ring) { self.ring = ring }

  /// Whether a message has come.
  public var hasMessage: Bool { clinux_load_acquire(ring.tail) != consumed }

  /// Takes the next message into `buffer`, which then holds its body; nil when there is none.
  ///
  /// - Throws: `corruptRing`; the ring must not be used any more.
  public mutating func receive(into buffer: inout [UInt8]) throws(WireError) -> MessageHeader? {
    let available = clinux_load_acquire(ring.tail) &- consumed
    if available == 0 { return nil }
    let headerBytes = Ring.messageHeaderBytes
    guard available >= UInt64(headerBytes), available <= UInt64(RingMemory.ringBytes) else {
      throw .corruptRing
    }
    let (exact, kind, sequence) = withUnsafeTemporaryAllocation(
      byteCount: headerBytes, alignment: 8
    ) { raw in
      ring.copyOut(raw.baseAddress!, headerBytes, at: consumed)
      return (
        Int(raw.load(as: UInt32.self)), raw.load(fromByteOffset: 4, as: UInt32.self),
        raw.load(fromByteOffset: 8, as: UInt64.self)
      )
    }
    guard exact >= headerBytes, exact <= WireFormat.messageBytesMax else { throw .corruptRing }
    let bodyCount = exact - headerBytes
    let count = headerBytes + (bodyCount + 7) & ~7
    guard UInt64(count) <= available, kind <= UInt32(UInt16.max) else { throw .corruptRing }
    let body = consumed &+ UInt64(headerBytes)
    buffer = [UInt8](unsafeUninitializedCapacity: bodyCount) { target, initialized in
      if bodyCount > 0 { ring.copyOut(target.baseAddress!, bodyCount, at: body) }
      initialized = bodyCount
    }
    consumed &+= UInt64(count)
    clinux_store_release(ring.head, consumed)
    return MessageHeader(kind: UInt16(kind), sequence: sequence)
  }

  /// Announces that the consumer is about to wait for its doorbell.
  ///
  /// - Returns: Whether it may: false when a message has come meanwhile.
  public func prepareToSleep() -> Bool {
    clinux_store_seq(ring.sleeping, 1)
    if clinux_load_seq(ring.tail) == consumed { return true }
    clinux_store_seq(ring.sleeping, 0)
    return false
  }

  /// Takes `prepareToSleep` back; spares the producer a doorbell that nobody waits for.
  public func stayAwake() { clinux_store_seq(ring.sleeping, 0) }
}
