import BlockEngine
import BlockPolicy

/// What a disk slot holds: a header with the record and a checksum, and the parts.
struct DiskImage {
  var record: BlockRecord
  var writeSequence: UInt64
  var lastUsed: UInt64
  var retention: Retention
  var payer: TenantID
  var checksum: UInt64
  var parts: [UInt64]

  var isWhole: Bool { Truth.checksum(record, parts) == checksum }
}

/// Pretend memory and disk of one class. A slot's checksum is made as the bytes enter.
struct Machine {
  static let partCountMax = 2

  /// `[slot][part]`
  var host: [[UInt64]]
  /// `[slot][part]`: what the rank that wrote the part saw; stands for its checksum.
  var hostEntered: [[UInt64]]
  /// `[slot][part]`: a bit turned round since.
  var isFlipped: [[Bool]]
  /// `[slot]`, nil where nothing was ever written.
  var disk: [DiskImage?]
  private var writeSequence: UInt64 = 0

  init(hostSlotCount: Int, diskSlotCount: Int) {
    let parts = [UInt64](repeating: 0, count: Self.partCountMax)
    host = Array(repeating: parts, count: hostSlotCount)
    hostEntered = host
    isFlipped = Array(
      repeating: Array(repeating: false, count: Self.partCountMax), count: hostSlotCount)
    disk = Array(repeating: nil, count: diskSlotCount)
  }

  /// The host slots' memory is given away, or the process dies: they are garbage.
  mutating func loseHost(_ slots: Range<UInt32>, _ random: inout Random) {
    for slot in slots.map(Int.init) {
      for part in 0..<Self.partCountMax {
        host[slot][part] = random.next()
        isFlipped[slot][part] = false
      }
    }
  }

  mutating func flipDiskBit(_ random: inout Random) -> Int {
    let slot = random.below(disk.count)
    disk[slot]?.parts[random.below(Self.partCountMax)] ^= 1 << UInt64(random.below(64))
    return slot
  }

  mutating func flipHostBit(_ random: inout Random) -> Int {
    let slot = random.below(host.count)
    let part = random.below(Self.partCountMax)
    host[slot][part] ^= 1 << UInt64(random.below(64))
    isFlipped[slot][part] = true
    return slot
  }

  /// A rank copies its part in.
  mutating func enter(_ slot: Slot, part: Int, _ bytes: UInt64) {
    host[slot.index][part] = bytes
    hostEntered[slot.index][part] = bytes
    isFlipped[slot.index][part] = false
  }

  func isIntact(_ slot: Slot, part: Int) -> Bool {
    host[slot.index][part] == hostEntered[slot.index][part]
  }

  /// A torn write has reached the medium in part: the rest is what was there before.
  mutating func writeDisk(
    _ slot: Slot, from source: Slot, record: BlockRecord, lastUsed: UInt64,
    retention: Retention, payer: TenantID, isTorn: Bool
  ) {
    // Even, so that there is a place before it for an old copy.
    writeSequence += 2
    var image = DiskImage(
      record: record, writeSequence: writeSequence, lastUsed: lastUsed,
      retention: retention, payer: payer,
      checksum: Truth.checksum(record, hostEntered[source.index]),
      parts: host[source.index])
    if isTorn { image.parts[0] = disk[slot.index]?.parts[0] ?? 0 }
    disk[slot.index] = image
  }

  /// Copies a disk slot into a host slot; returns whether it verifies as that block.
  mutating func readDisk(_ slot: Slot, into target: Slot, record: BlockRecord) -> Bool {
    guard let image = disk[slot.index] else { return false }
    return enter(image, target, as: record)
  }

  /// What would be put into an object store of a host slot.
  func image(of slot: Slot, _ record: BlockRecord) -> DiskImage {
    var (parts, entered) = (host[slot.index], hostEntered[slot.index])
    // What an earlier block has left in parts that this one does not have is nobody's.
    for part in Simulation.partCount(of: record)..<Self.partCountMax {
      (parts[part], entered[part]) = (0, 0)
    }
    return DiskImage(
      record: record, writeSequence: 0, lastUsed: 0, retention: .normal, payer: .standard,
      checksum: Truth.checksum(record, entered), parts: parts)
  }

  /// Copies what was read into a host slot; returns whether it verifies as that block.
  mutating func enter(_ image: DiskImage, _ target: Slot, as record: BlockRecord) -> Bool {
    host[target.index] = image.parts
    hostEntered[target.index] = image.parts
    for part in 0..<Self.partCountMax { isFlipped[target.index][part] = false }
    return image.record.key == record.key && image.record.group == record.group && image.isWhole
  }

  /// Nothing was ever written to disk.
  mutating func loseDisk() { disk = Array(repeating: nil, count: disk.count) }

  /// Writes a block of another slot to this one, as if that had happened before.
  mutating func leaveOldCopy(in slot: UInt32, _ random: inout Random) {
    guard var image = disk[random.below(disk.count)], image.writeSequence % 2 == 0 else { return }
    image.writeSequence -= 1
    disk[Int(slot)] = image
  }

  /// What a scan of the slots finds: headers only, the data is not looked at.
  func residents(in slots: Range<UInt32>) -> [Resident] {
    slots.compactMap { slot in
      disk[Int(slot)].map { image in
        Resident(
          slot: slot, record: image.record, writeSequence: image.writeSequence,
          lastUsed: image.lastUsed, retention: image.retention, payer: image.payer)
      }
    }
  }
}
