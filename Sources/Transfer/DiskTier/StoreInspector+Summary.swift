import BlockIdentity
import KVLayout

/// What a store holds of one namespace.
public struct NamespaceSummary: Sendable {
  /// Which one.
  public var namespace: Namespace
  /// Its canonical description, where the store has it.
  public var description: [UInt8]?
  /// Blocks, by their headers.
  public var blockCount = 0
  /// Bytes of their slots.
  public var slotBytes = 0
  /// When its oldest block was made, in nanoseconds since 1970.
  public var oldestUnixNanoseconds = Int64.max
  /// When its newest block was made, in nanoseconds since 1970.
  public var newestUnixNanoseconds = Int64.min
  /// How many blocks each engine made, by the engine's name and version.
  public var blocksByEngine: [String: Int] = [:]
}

/// What a store holds, by the headers of its slots; payloads are unread.
public struct StoreSummary: Sendable {
  /// In the order of their digests.
  public var namespaces: [NamespaceSummary] = []
  /// Extent files.
  public var extentCount = 0
  /// Their bytes, as they were found.
  public var extentBytes: Int64 = 0
  /// Slots of all extents.
  public var slotCount = 0
  /// Slots that hold a block of this version.
  public var blockCount = 0
  /// Of those, how many are protected, by the id of the key.
  public var protectedCounts: [UInt32: Int] = [:]
  /// Slots that hold nothing.
  public var freeCount = 0
  /// Slots with a torn or damaged header.
  public var damagedCount = 0
  /// Slots that another version wrote.
  public var otherVersionCount = 0
  /// Slots whose header the device could not read.
  public var unreadableCount = 0
  /// Extents that could not be looked at, a sentence each.
  public var warnings: [String] = []
}

extension StoreInspector {
  /// Reads the headers of all slots.
  ///
  /// - Parameter progress: called with slots done and in all, now and then and at the end.
  /// - Complexity: O(slots), one page read each.
  public func summary(progress: (Int, Int) -> Void = { _, _ in }) -> StoreSummary {
    var result = StoreSummary()
    result.warnings = warnings
    var namespaces: [Namespace: NamespaceSummary] = [:]
    let total = extents.reduce(0) { $0 + $1.name.slotCount }
    for extent in extents {
      result.extentCount += 1
      result.extentBytes += extent.fileBytes
      do {
        let scanner = SlotScanner(
          file: try extent.open(), slotBytes: extent.name.slotBytes, fileBytes: extent.fileBytes)
        for slot in 0..<extent.name.slotCount {
          let finding = scanner.find(at: Int64(slot * extent.name.slotBytes))
          result.count(finding, &namespaces)
          if slot % 256 == 0 { progress(result.slotCount, total) }
        }
      } catch {
        result.warnings.append("An extent is left out: \(error)")
      }
    }
    progress(result.slotCount, total)
    result.namespaces = namespaces.values.sorted {
      $0.namespace.digest.description < $1.namespace.digest.description
    }
    for index in result.namespaces.indices {
      result.namespaces[index].description =
        namespaceDescription(result.namespaces[index].namespace)
    }
    return result
  }
}

extension StoreSummary {
  fileprivate mutating func count(
    _ finding: SlotScanner.Finding, _ namespaces: inout [Namespace: NamespaceSummary]
  ) {
    slotCount += 1
    switch finding {
    case .unreadable: unreadableCount += 1
    case .header(.failure(.empty)): freeCount += 1
    case .header(.failure(.unsupported)): otherVersionCount += 1
    case .header(.failure): damagedCount += 1
    case .header(.success(let found)):
      blockCount += 1
      if let protection = found.protection {
        protectedCounts[protection.keyID, default: 0] += 1
      }
      let space = found.namespace
      namespaces[space, default: NamespaceSummary(namespace: space)].add(found)
    }
  }
}

extension NamespaceSummary {
  fileprivate mutating func add(_ block: SlotDescription) {
    blockCount += 1
    slotBytes += block.shape.slotBytes
    oldestUnixNanoseconds = min(oldestUnixNanoseconds, block.createdUnixNanoseconds)
    newestUnixNanoseconds = max(newestUnixNanoseconds, block.createdUnixNanoseconds)
    blocksByEngine[block.producer.engine, default: 0] += 1
  }
}
