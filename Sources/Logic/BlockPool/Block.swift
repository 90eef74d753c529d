/// A block that was taken and has no bytes yet.
enum Reset {}
/// A block whose parts are being written.
enum Filling {}
/// A block whose parts have all succeeded.
enum Complete {}

/// An owned block that is not registered; dropping it frees its slot.
///
/// 1. `SlotTable.takeFree` or `recycle` makes a `Block<Reset>`. 2. `begin` → `Block<Filling>`.
/// 3. `park` → an id, while others write the parts, for as long as that takes. 4. `claimComplete`
/// gives it back as `Block<Complete>`. 5. `register` ends the handle's life: from then on the block
/// belongs to its pins, which are many, are owned by requests, and are counted by id.
///
/// Handles live inside one pool call. What is skipped or done twice does not compile; what is
/// forgotten on an early return gives its slot back.
struct Block<State>: ~Copyable {
  let slot: Slot
  private let table: SlotTable

  @inline(__always)
  init(slot: Slot, in table: SlotTable) {
    self.slot = slot
    self.table = table
  }

  @inline(__always)
  deinit {
    table.counts.filling &-= 1
    table.reclaim(slot)
  }
}

extension Block where State == Reset {
  /// Now `partCount` parts are awaited, 1...32.
  @inline(__always)
  consuming func begin(partCount: Int) -> Block<Filling> {
    let (slot, table) = unwrapped()
    table.marks[slot].missingParts = ~0 >> UInt32(32 &- partCount)
    table.marks[slot].state = .filling
    return Block<Filling>(slot: slot, in: table)
  }
}

extension Block where State == Filling {
  /// Leaves the block to its writers; `claimComplete` or `claimFilling` takes it up again.
  @inline(__always)
  consuming func park() -> BlockID {
    let (slot, table) = unwrapped()
    return table.id(of: slot)
  }

  /// Gives the block up while somebody may still write to it; its slot stays out of use.
  consuming func quarantine() {
    let (slot, table) = unwrapped()
    table.marks[slot].state = .quarantined
    table.counts.filling -= 1
    table.counts.quarantined += 1
  }
}

extension Block where State == Complete {
  /// The block becomes resident with one pin; the caller enters it in the index.
  @inline(__always)
  consuming func register() -> BlockID {
    let (slot, table) = unwrapped()
    table.marks[slot].state = .registered
    table.marks[slot].isUntouched = false
    table.marks[slot].pinCount = 1
    table.counts.filling &-= 1
    table.counts.pinned &+= 1
    return table.id(of: slot)
  }
}

extension Block {
  /// The fields, without running `deinit`: the block goes on under another handle.
  @inline(__always)
  private consuming func unwrapped() -> (slot: Slot, table: SlotTable) {
    let fields = (slot, table)
    discard self
    return fields
  }
}
