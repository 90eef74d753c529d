import Glibc
import KVLayout
import Protection

/// A used slot that does not hold what was written there.
public struct SlotDamage: Hashable, Sendable {
  /// Why not.
  public enum Reason: Hashable, Sendable {
    /// The bytes are at fault.
    case fault(SlotFault)
    /// The file ends within the slot.
    case cutShort
    /// The device did not give them.
    case unreadable(errno: Int32)
  }

  /// The extent's file.
  public var path: String
  /// The slot's number in it.
  public var slot: Int
  /// Where in the file the part begins that is at fault: the header, the table, or a head.
  public var byteOffset: Int64
  /// Why.
  public var reason: Reason
}

extension SlotDamage: CustomStringConvertible {
  /// Path, slot, offset and reason in one line.
  public var description: String {
    let text =
      switch reason {
      case .fault(let fault): fault.description
      case .cutShort: "the file ends within the slot"
      case .unreadable(let code): "cannot be read: \(errorText(code))"
      }
    return "\(path): slot \(slot), byte \(byteOffset): \(text)"
  }
}

/// What a check of all slots found.
public struct VerifyReport: Sendable {
  /// Slots with a block that is as it was written.
  public var intactCount = 0
  /// Slots that hold nothing.
  public var freeCount = 0
  /// Slots of another version, which only that one can check.
  public var otherVersionCount = 0
  /// Slots that are protected with a key that is not at hand, by its id.
  public var lockedCounts: [UInt32: Int] = [:]
  /// Bytes that were read and checked.
  public var checkedBytes = 0
  /// At most `damagesMax`, in the order of extents and slots.
  public var damages: [SlotDamage] = []
  /// All damages, also those beyond the limit.
  public var damageCount = 0
  /// Extents that could not be looked at, a sentence each.
  public var warnings: [String] = []

  /// How many damages a report lists.
  public static let damagesMax = 10_000
}

extension StoreInspector {
  /// Reads every used slot whole and checks all checksums.
  ///
  /// A slot that a serving process is just writing looks damaged; so what looks damaged is read
  /// again after a moment.
  ///
  /// - Parameters:
  ///   - recheckMicroseconds: how long that moment is; 0 where nobody writes.
  ///   - progress: called with bytes done and in all, after each slot.
  /// - Complexity: O(bytes of used slots); memory for one slot.
  public func verify(
    recheckMicroseconds: UInt32 = 20_000, progress: (Int64, Int64) -> Void = { _, _ in }
  ) -> VerifyReport {
    var report = VerifyReport()
    report.warnings = warnings
    let total = extents.reduce(Int64(0)) { $0 + Int64($1.name.totalBytes) }
    var done: Int64 = 0
    for extent in extents {
      do {
        let checker = SlotChecker(extent, file: try extent.open(), protector)
        for slot in 0..<extent.name.slotCount {
          report.add(checker, slot, recheckMicroseconds)
          done += Int64(extent.name.slotBytes)
          progress(done, total)
        }
      } catch {
        report.warnings.append("An extent is left out: \(error)")
        done += Int64(extent.name.totalBytes)
      }
    }
    progress(total, total)
    return report
  }
}

extension VerifyReport {
  fileprivate mutating func add(
    _ checker: SlotChecker, _ slot: Int, _ recheckMicroseconds: UInt32
  ) {
    var finding = checker.check(slot)
    if case .damage = finding, damageCount < 100, recheckMicroseconds > 0 {
      usleep(recheckMicroseconds)
      finding = checker.check(slot)
    }
    switch finding {
    case .free: freeCount += 1
    case .otherVersion: otherVersionCount += 1
    case .locked(let keyID): lockedCounts[keyID, default: 0] += 1
    case .intact:
      intactCount += 1
      checkedBytes += checker.extent.name.slotBytes
    case .damage(let damage):
      damageCount += 1
      checkedBytes += checker.extent.name.slotBytes
      if damages.count < Self.damagesMax { damages.append(damage) }
    }
  }
}

/// Checks the slots of one extent, one after the other.
private struct SlotChecker {
  enum Finding {
    case free
    case otherVersion
    case locked(keyID: UInt32)
    case intact
    case damage(SlotDamage)
  }

  let extent: InspectedExtent
  private let scanner: SlotScanner
  private let memory: AlignedBuffer
  private let protector: Protector?

  init(_ extent: InspectedExtent, file: FileHandle, _ protector: Protector?) {
    self.extent = extent
    self.protector = protector
    scanner = SlotScanner(
      file: file, slotBytes: extent.name.slotBytes, fileBytes: extent.fileBytes)
    memory = AlignedBuffer(count: extent.name.slotBytes)
  }

  func check(_ slot: Int) -> Finding {
    let offset = Int64(slot * extent.name.slotBytes)
    switch scanner.find(at: offset) {
    case .header(.failure(.empty)): return .free
    case .header(.failure(.unsupported)): return .otherVersion
    case .header(.failure(let fault)): return damage(slot, 0, .fault(.header(fault)))
    case .unreadable(let code): return damage(slot, 0, .unreadable(errno: code))
    case .header(.success(let description)):
      if case .header(.locked(let keyID)) = Protector.fault(of: description, protector) {
        return .locked(keyID: keyID)
      }
      return checkWhole(slot, at: offset, description.shape)
    }
  }

  private func checkWhole(_ slot: Int, at offset: Int64, _ shape: BlockShape) -> Finding {
    let count = extent.name.slotBytes
    guard offset + Int64(count) <= extent.fileBytes else { return damage(slot, 0, .cutShort) }
    let code = Transfer.read(scanner.file.fd, into: memory.address, count: count, at: offset)
    guard code == 0 else { return damage(slot, 0, .unreadable(errno: code)) }
    guard let fault = Protector.fault(of: memory.bytes, protector) else { return .intact }
    if case .head(let head) = fault {
      return damage(slot, shape.headOffset(head), .fault(fault))
    }
    return damage(slot, 0, .fault(fault))
  }

  private func damage(_ slot: Int, _ offset: Int, _ reason: SlotDamage.Reason) -> Finding {
    .damage(
      SlotDamage(
        path: extent.path, slot: slot, byteOffset: Int64(slot * extent.name.slotBytes + offset),
        reason: reason))
  }
}
