import BlockIdentity

/// The orders of a tier that tenants share: each tenant's blocks leave by a policy of their own, as
/// if it had a tier for itself, and how long ago each was used can be compared across them.
///
/// 1. Whoever takes a slot says `own` before its block is registered or adopted. 2. The block is in
/// its owner's order until it leaves. 3. `takeVictim(of:)` takes what its owner can spare first;
/// `leastRecent` says who has used what it has least, of those that may be asked to give.
///
/// Levels, time limits and what a policy learns are each tenant's own. A sequence whose blocks have
/// several owners is one sequence for none of them: each sees its own blocks of it. What all of
/// them use stays all the same, for whoever uses a block has used all before it.
///
/// A tenant's order is made with its first block. 17 bytes a slot, and a policy's for each tenant.
@usableFromInline
package struct TenantOrders: ~Copyable {
  /// Tenants of one tier at most: their ages are looked at for each block that has to leave.
  package static var countMax: Int { 64 }

  /// A policy in a place of its own, since it cannot be copied.
  private final class Order {
    var policy: TierPolicy
    init(_ policy: consuming TierPolicy) { self.policy = policy }
  }

  private let choice: EvictionChoice
  private let capacity: Int
  private let tickNanoseconds: UInt64
  /// By tenant; nil before its first block.
  private var orders: [Order?]
  /// By tenant: its registered blocks, and how many of them may be above normal.
  private var counts: [Int]
  private var retainedLimits: [Int]
  /// By slot, once somebody has taken it.
  private let owners: Column<TenantID>
  /// By tenant: its cached blocks, and by slot when that was used last.
  private var uses: SlotLists
  private let stamps: Column<UInt64>
  /// By tenant: the stamp of what it has not used for longest; `.max` while nothing is cached.
  private var ages: [UInt64]
  /// By tenant: the stamp of what it gave up last. What it has kept is worth more to it than that,
  /// however old: without it, who keeps one old block for long would give up all new ones.
  private var given: [UInt64]
  /// The next stamp of what was used, and of what is to seem older than all else.
  private var nextStamp: UInt64 = 1 << 62
  private var nextColdStamp: UInt64 = 1 << 62 - 1
  /// Whose blocks are judged.
  private var asker = TenantID.standard

  /// Orders without blocks.
  init(_ choice: EvictionChoice, capacity: Int, tickNanoseconds: UInt64, tenantLimit: Int) {
    precondition((1...Self.countMax).contains(tenantLimit), "a tier has 1 to 64 tenants")
    self.choice = choice
    self.capacity = capacity
    self.tickNanoseconds = tickNanoseconds
    orders = Array(repeating: nil, count: tenantLimit)
    counts = Array(repeating: 0, count: tenantLimit)
    retainedLimits = counts
    ages = Array(repeating: .max, count: tenantLimit)
    given = Array(repeating: 0, count: tenantLimit)
    owners = Column(zeroed: capacity)
    uses = SlotLists(capacity: capacity, listCount: tenantLimit)
    stamps = Column(zeroed: capacity)
  }

  deinit {
    owners.deallocate()
    stamps.deallocate()
  }

  // MARK: Owners

  /// A slot without a block is taken by a tenant.
  mutating func own(_ slot: Slot, by tenant: TenantID) {
    owners[slot] = tenant
    if orders[tenant.index] != nil { return }
    let order = Order(
      TierPolicy(choice, capacity: capacity, retentionTickNanoseconds: tickNanoseconds))
    order.policy.setRetainedLimit(retainedLimits[tenant.index])
    orders[tenant.index] = order
  }

  /// Who has taken the slot last.
  func owner(of slot: Slot) -> TenantID { owners[slot] }

  /// How many registered blocks a tenant has.
  func count(of tenant: TenantID) -> Int { counts[tenant.index] }

  /// Whose blocks are judged by the next calls of `admit`.
  mutating func setAsker(_ tenant: TenantID) { asker = tenant }

  /// The order that a slot's block is in.
  private func order(of slot: Slot) -> Order {
    guard let order = orders[owners[slot].index] else {
      preconditionFailure("slot \(slot.rawValue) has no owner")
    }
    return order
  }

  /// A block's parent, where it has the same owner.
  private func related(_ parent: BlockID?, _ owner: TenantID) -> BlockID? {
    parent.flatMap { owners[$0.slot] == owner ? $0 : nil }
  }

  // MARK: Uses

  private mutating func enter(_ slot: Slot) {
    let tenant = owners[slot].index
    stamps[slot] = nextStamp
    nextStamp += 1
    uses.insert(slot, warmIn: tenant)
    if ages[tenant] == .max { ages[tenant] = stamps[slot] }
  }

  private mutating func leave(_ slot: Slot) {
    let tenant = owners[slot].index
    uses.unlink(slot)
    // Only one of them has this stamp.
    guard stamps[slot] == ages[tenant] else { return }
    ages[tenant] = uses.coldest(of: tenant).map { stamps[$0] } ?? .max
  }

  /// The tenant that has not used its least recently used block for longest, or what it gave up
  /// last if that was used later, of those with a block that can leave and that `mayGive` allows;
  /// nil without any.
  ///
  /// - Complexity: O(tenants), a look at a row of numbers for each.
  func leastRecent(_ mayGive: (TenantID) -> Bool) -> TenantID? {
    var best: (age: UInt64, tenant: TenantID)?
    for index in ages.indices {
      let age = max(ages[index], given[index])
      guard age < best?.age ?? .max else { continue }
      let tenant = TenantID(UInt8(index))
      if mayGive(tenant) { best = (age, tenant) }
    }
    return best?.tenant
  }

  /// Takes what a tenant can spare first out of its order; nil when nothing of its is cached.
  mutating func takeVictim(of tenant: TenantID) -> Slot? {
    guard let slot = orders[tenant.index]?.policy.takeVictim() else { return nil }
    given[tenant.index] = stamps[slot]
    leave(slot)
    return slot
  }

  // MARK: Levels

  /// Blocks of other levels than normal, and those above it.
  var retainedCount: Int { orders.reduce(0) { $0 + ($1?.policy.retainedCount ?? 0) } }
  var retainedAboveCount: Int { orders.reduce(0) { $0 + ($1?.policy.retainedAboveCount ?? 0) } }

  /// A tenant's blocks above normal.
  func retainedAboveCount(of tenant: TenantID) -> Int {
    orders[tenant.index]?.policy.retainedAboveCount ?? 0
  }

  /// What is said of the slot's block.
  func retention(of slot: Slot) -> Retention { order(of: slot).policy.retention(of: slot) }

  /// How many of a tenant's blocks may be above normal.
  mutating func setRetainedLimit(_ limit: Int, of tenant: TenantID) {
    retainedLimits[tenant.index] = limit
    orders[tenant.index]?.policy.setRetainedLimit(limit)
  }

  /// Says what a block is worth among its owner's; see `TierPolicy.retain`.
  mutating func retain(
    _ block: BlockID, _ said: Retention, after parent: BlockID?, isFirst: Bool, isCached: Bool
  ) -> Bool {
    order(of: block.slot).policy.retain(
      block, said, after: related(parent, owners[block.slot]), isFirst: isFirst,
      isCached: isCached)
  }
}

extension TenantOrders: EvictionPolicy {
  /// One order, of whoever pays for all.
  @usableFromInline
  package init(capacity: Int) {
    self.init(.standard, capacity: capacity, tickNanoseconds: 1 << 30, tenantLimit: 1)
  }

  @usableFromInline
  package mutating func inserted(_ block: BlockID, after parent: BlockID?) {
    counts[owners[block.slot].index] += 1
    order(of: block.slot).policy.inserted(block, after: related(parent, owners[block.slot]))
  }

  @usableFromInline
  package mutating func inserted(_ block: BlockID, key: BlockKey, after parent: BlockID?) {
    counts[owners[block.slot].index] += 1
    order(of: block.slot).policy.inserted(
      block, key: key, after: related(parent, owners[block.slot]))
  }

  @usableFromInline
  package mutating func admit(
    _ keys: Span<BlockKey>, after parent: BlockID?, isWhole: Bool
  ) -> Int {
    guard let order = orders[asker.index] else { return keys.count }
    return order.policy.admit(keys, after: related(parent, asker), isWhole: isWhole)
  }

  @usableFromInline
  package mutating func adopted(_ block: BlockID, key: BlockKey) {
    counts[owners[block.slot].index] += 1
    order(of: block.slot).policy.adopted(block, key: key)
    enter(block.slot)
  }

  @usableFromInline
  package mutating func advance(to nanoseconds: UInt64) {
    for order in orders { order?.policy.advance(to: nanoseconds) }
  }

  @usableFromInline
  package mutating func linked(_ block: BlockID, after parent: BlockID) {
    guard let parent = related(parent, owners[block.slot]) else { return }
    order(of: block.slot).policy.linked(block, after: parent)
  }

  @usableFromInline
  package mutating func pinned(_ slot: Slot) {
    leave(slot)
    order(of: slot).policy.pinned(slot)
  }

  @usableFromInline
  package mutating func released(_ slot: Slot) {
    order(of: slot).policy.released(slot)
    enter(slot)
  }

  @usableFromInline
  package mutating func rested(_ slot: Slot) {
    order(of: slot).policy.rested(slot)
    enter(slot)
  }

  @usableFromInline
  package mutating func beginUses(turnedAwayCount: Int) {
    for order in orders { order?.policy.beginUses(turnedAwayCount: turnedAwayCount) }
  }

  @usableFromInline
  package mutating func used(_ slot: Slot, isCached: Bool) {
    order(of: slot).policy.used(slot, isCached: isCached)
    guard isCached else { return }
    leave(slot)
    enter(slot)
  }

  @usableFromInline
  package mutating func cooled(_ slot: Slot) {
    order(of: slot).policy.cooled(slot)
    let tenant = owners[slot].index
    uses.unlink(slot)
    uses.insert(slot, coldIn: tenant)
    stamps[slot] = nextColdStamp
    nextColdStamp -= 1
    ages[tenant] = stamps[slot]
  }

  @usableFromInline
  package mutating func removed(_ slot: Slot) {
    counts[owners[slot].index] -= 1
    order(of: slot).policy.removed(slot)
  }

  @usableFromInline
  package mutating func takeVictim() -> Slot? {
    leastRecent { _ in true }.flatMap { takeVictim(of: $0) }
  }

  @usableFromInline
  package func checkInvariants(
    cachedCount: Int, isCached: (Slot) -> Bool
  ) throws(BrokenInvariant) {
    var seen = 0
    for index in orders.indices {
      var ownCount = 0
      var last: UInt64 = 0
      let first = uses.coldest(of: index).map { stamps[$0] } ?? .max
      try require(ages[index] == first, "a tenant's age is not its oldest block's")
      try uses.forEach(in: index) { (slot) throws(BrokenInvariant) in
        try require(isCached(slot), "a use of a block that is not cached")
        try require(owners[slot].index == index, "a block among another tenant's uses")
        try require(stamps[slot] > last, "uses are out of order")
        last = stamps[slot]
        ownCount += 1
      }
      try orders[index]?.policy.checkInvariants(cachedCount: ownCount) {
        isCached($0) && owners[$0].index == index
      }
      try require(counts[index] >= ownCount, "a tenant has fewer blocks than could leave")
      seen += ownCount
    }
    try require(seen == cachedCount, "\(seen) candidates for \(cachedCount) cached blocks")
  }
}
