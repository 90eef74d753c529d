import Glibc
import KVLayout
import Protection
import Synchronization

extension DiskStore {
  /// Writes a block from host memory into a slot, header and payload in one piece.
  ///
  /// The header is sealed in place, on the driver's thread; its table of checksums is taken as the
  /// workers left it. The store gives the write its sequence number. With a protection the slot is
  /// made in other memory, and the block stays as it is.
  ///
  /// - Parameters:
  ///   - ticket: comes back with the outcome.
  ///   - memory: a 4096-aligned slot that holds the block's key; pinned until the callback.
  /// - Returns: false when the queue is full or the store is closed: no callback will come.
  /// - Precondition: the description's shape has the extent's slot size.
  public func write(
    ticket: UInt64, extent: DiskExtent, slot: Int, from memory: UnsafeMutableRawPointer,
    description: SlotDescription
  ) -> Bool {
    precondition(description.shape.slotBytes == extent.slotBytes, "a slot of another class")
    let address = SlotAddress(memory)
    var sealed = description
    sealed.writeSequence = writeSequence.wrappingAdd(1, ordering: .relaxed).newValue
    let header = sealed
    // What a protected slot's header says besides is for the next run to read.
    let isNoted = protectedWriter == nil
    let complete: @Sendable (Int32) -> Void = { [completion, notes] code in
      withExtendedLifetime(extent) {
        notes.noteWrite(of: header, at: slot, of: extent.id, isNoted: isNoted && code == 0)
        completion(ticket, Self.writeOutcome(code, address.pointer))
      }
    }
    if let protectedWriter {
      return protectedWriter.add(
        ProtectedWriter.Write(
          block: address, description: header, extent: extent, offset: extent.offset(of: slot),
          flush: options.flush == .each, complete: complete))
    }
    return driver.submit(
      DiskJob(
        direction: .write(flush: options.flush == .each), fd: extent.file.fd,
        offset: extent.offset(of: slot), address: address, byteCount: extent.slotBytes,
        prepare: {
          guard Self.holds(header, at: address.pointer) else { return Self.otherBlock }
          SlotHeader.seal(address.pointer, header)
          return 0
        }, complete: complete))
  }

  /// Reads a block from a slot into host memory and proves it.
  ///
  /// A slot that does not hold the block, whole, is freed on disk before the callback, so that no
  /// later run finds it; unless another version wrote it, or its key is not at hand.
  ///
  /// - Parameters:
  ///   - ticket: comes back with the outcome.
  ///   - memory: a 4096-aligned slot, the caller's until the callback; without `success` its
  ///     content is undefined.
  /// - Returns: false when the queue is full or the store is closed: no callback will come.
  /// - Precondition: the expectation's shape has the extent's slot size.
  public func read(
    ticket: UInt64, extent: DiskExtent, slot: Int, into memory: UnsafeMutableRawPointer,
    expecting expectation: SlotExpectation
  ) -> Bool {
    precondition(expectation.shape.slotBytes == extent.slotBytes, "a slot of another class")
    let address = SlotAddress(memory)
    let offset = extent.offset(of: slot)
    return driver.submit(
      DiskJob(
        direction: .read, fd: extent.file.fd, offset: offset, address: address,
        byteCount: extent.slotBytes,
        complete: { [completion, notes, zeroPage, protector = options.protector] code in
          guard code == 0 else { return completion(ticket, .failure(errno: code)) }
          let bytes = UnsafeMutableRawBufferPointer(
            start: address.pointer, count: extent.slotBytes)
          guard let fault = Protector.fault(of: bytes, expecting: expectation, protector) else {
            return completion(ticket, .success)
          }
          let isFree = Self.free(extent, offset, fault, zeroPage)
          notes.withLock {
            $0.set(extent.id, slot, content: isFree ? SlotNote.free : SlotNote.unread)
          }
          completion(ticket, .corrupt(fault))
        }))
  }

  /// What a driver never answers: memory was not the block that was to be written.
  static let otherBlock: Int32 = -1

  /// Whether memory holds the block of a description.
  static func holds(
    _ description: SlotDescription, at memory: UnsafeRawPointer
  ) -> Bool {
    SlotHeader.key(of: memory) == description.key
      && SlotHeader.group(of: memory) == Int(description.group)
  }

  private static func writeOutcome(_ code: Int32, _ memory: UnsafeRawPointer) -> DiskOutcome {
    switch code {
    case 0: .success
    case otherBlock:
      .corrupt(
        .otherBlock(
          key: SlotHeader.key(of: memory),
          group: UInt16(truncatingIfNeeded: SlotHeader.group(of: memory))))
    default: .failure(errno: code)
    }
  }

  /// Zeroes a slot's header page on disk; false when it was not. If that fails as well, the next
  /// read finds out again.
  private static func free(
    _ extent: DiskExtent, _ offset: Int64, _ fault: SlotFault, _ zeroPage: AlignedBuffer
  ) -> Bool {
    switch fault {
    case .header(.unsupported), .header(.locked), .header(.empty): return false
    default: break
    }
    return Transfer.write(extent.file.fd, from: zeroPage.address, count: 4096, at: offset) == 0
  }
}
