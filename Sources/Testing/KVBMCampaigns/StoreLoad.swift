import DiskTier
import Glibc
import KVBMTesting
import KVLayout
import Synchronization

/// Writes blocks into a store, several at a time, at places drawn at random, and tells of each.
///
/// Makes extents, and deletes them when there is no room for another. Steps are taken on one
/// thread.
public final class StoreLoad: @unchecked Sendable {
  /// How a load is played.
  public struct Plan: Sendable {
    /// The store's directory.
    public var directory: String
    /// Decides places and shapes.
    public var seed: UInt64
    /// The first block's number less 1; none is used twice in a campaign.
    public var firstNumber: UInt64 = 0
    /// Of all extents.
    public var capacityBytes: Int
    /// Payload of the larger blocks, a multiple of 16,384.
    public var largeBytes: Int
    /// Writes that are under way at a time.
    public var laneCount = 16
    /// Of the store.
    public var options = DiskOptions()
    /// What is wrong with it.
    public var fault: CampaignFault?

    /// A load on a store that is made where it is missing.
    public init(directory: String, seed: UInt64, capacityBytes: Int, largeBytes: Int) {
      self.directory = directory
      self.seed = seed
      self.capacityBytes = capacityBytes
      self.largeBytes = largeBytes
    }
  }

  /// Used by whoever has taken it.
  private struct Lane: @unchecked Sendable {
    let memory: HeldMemory
    let makers: [Int: BlockMaker]
    var work: (place: CampaignPlace, number: UInt64)?
  }

  private let tell: @Sendable (CampaignEvent) -> Void
  private let shapes: CampaignShapes
  private let lanes: Lanes
  private let store: DiskStore
  private var random: Random
  private var lastNumber: UInt64

  /// Opens the store, and scans it as a node does.
  ///
  /// - Parameters:
  ///   - driver: what moves the bytes, instead of what the options say.
  ///   - tell: hears of each step, on any thread.
  public init(
    _ plan: Plan, driver: (any DiskDriver)? = nil, tell: @escaping @Sendable (CampaignEvent) -> Void
  ) throws {
    self.tell = tell
    shapes = try CampaignShapes(largeBytes: plan.largeBytes)
    lanes = Lanes(tell)
    let slotBytes = shapes.all.map(\.slotBytes).max() ?? 0
    for _ in 0..<plan.laneCount { lanes.add(HeldMemory(byteCount: slotBytes), try shapes.makers()) }
    random = Random(seed: plan.seed)
    lastNumber = plan.firstNumber
    store = try DiskStore.open(
      directory: plan.directory, capacityBytes: plan.capacityBytes, options: plan.options,
      driver: driver
    ) { [lanes] ticket, outcome in lanes.ended(ticket, outcome) }
    for extent in store.extents { _ = store.scan(extent) }
  }

  /// Begins one write, when a lane is free.
  public func step() throws {
    let lane = lanes.waitForFree()
    if store.extents.isEmpty || random.oneIn(24) { try grow() }
    let extents = store.extents
    guard !extents.isEmpty else { return }
    let extent = extents[random.below(extents.count)]
    let place = CampaignPlace(extent: extent.id, slot: random.below(extent.slotCount))
    guard !lanes.places.contains(place) else { return }
    lastNumber += 1
    let taken = lanes.take(lane, place, lastNumber)
    guard let maker = taken.makers[extent.slotBytes] else { return lanes.free(lane) }
    maker.make(lastNumber, at: taken.memory.base)
    tell(.begun(place, number: lastNumber))
    let isTaken = store.write(
      ticket: UInt64(lane), extent: extent, slot: place.slot, from: taken.memory.base,
      description: maker.description(of: lastNumber))
    if !isTaken { lanes.free(lane) }
  }

  /// Waits for what was begun, and closes the store.
  public func end() { store.close() }

  private func grow() throws {
    let shape = shapes.all[random.below(shapes.all.count)]
    do throws(DiskTierError) {
      _ = try store.createExtent(slotBytes: shape.slotBytes)
    } catch {
      guard case .full = error else { throw error }
      let busy = Set(lanes.places.map(\.extent))
      let idle = store.extents.filter { !busy.contains($0.id) }
      guard !idle.isEmpty else { return }
      let extent = idle[random.below(idle.count)]
      tell(.dropped(extent: extent.id))
      try store.deleteExtent(extent)
    }
  }

  /// The writes that are under way; any thread.
  private final class Lanes: @unchecked Sendable {
    private let lanes = Mutex<[Lane]>([])
    private let tell: @Sendable (CampaignEvent) -> Void

    init(_ tell: @escaping @Sendable (CampaignEvent) -> Void) { self.tell = tell }

    func add(_ memory: HeldMemory, _ makers: [Int: BlockMaker]) {
      let lane = Lane(memory: memory, makers: makers)
      lanes.withLock { $0.append(lane) }
    }

    var places: Set<CampaignPlace> {
      lanes.withLock { Set($0.compactMap { $0.work?.place }) }
    }

    func waitForFree() -> Int {
      while true {
        if let lane = lanes.withLock({ $0.firstIndex { $0.work == nil } }) { return lane }
        usleep(20)
      }
    }

    func take(_ lane: Int, _ place: CampaignPlace, _ number: UInt64) -> Lane {
      lanes.withLock { lanes in
        lanes[lane].work = (place, number)
        return lanes[lane]
      }
    }

    func free(_ lane: Int) { lanes.withLock { $0[lane].work = nil } }

    func ended(_ ticket: UInt64, _ outcome: DiskOutcome) {
      let work = lanes.withLock { $0[Int(ticket)].work }
      // Told before the lane, and with it the place, is free for another block.
      if let work, outcome == .success { tell(.durable(work.place, number: work.number)) }
      free(Int(ticket))
    }
  }
}
