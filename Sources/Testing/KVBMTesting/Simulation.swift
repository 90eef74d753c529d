import BlockEngine

/// Plays a node: an engine over pretend memory, disk and drivers, with everything that can go
/// wrong; alone, or beside others with which it shares an object store (`Fleet`).
///
/// Two slot classes; a namespace with a group in each, one with a single group, and three with
/// windowed groups; several inference engines that come and go, and that may have given up blocks
/// before a window when they store. Each step is one call by a runtime, or a mishap; then time
/// passes, drivers move bytes and report, and everything is checked. Equal seeds play equal games.
struct Simulation: ~Copyable {
  var engine: BlockEngine
  /// `[class]`
  var machines: [Machine]
  var random: Random
  var jobs: [Job] = []
  var now: UInt64 = 0
  var epoch: UInt16 = 1
  /// The step that is played.
  var step = 0
  /// A digest of all that happened, to compare two runs.
  var trace: UInt64 = 0
  /// What there was to see, so that a run which saw nothing does not count as clean.
  var tally = Tally()

  /// The runtimes' side: attached engines, and their live requests in order.
  var attached: [Runtime] = []
  var live: [RequestID] = []
  var prompts: [RequestID: Prompt] = [:]
  var loads: [OperationID: Load] = [:]
  /// Requests that were told that a load of theirs failed.
  var refused: Set<RequestID> = []
  /// What live requests have said of their blocks' worth, and `[class]` all that was ever said.
  var said: [RequestID: [RetentionRange]] = [:]
  var worths = [Worth(), Worth()]
  /// `[class]`: until when a ready block was promised to stay, by name.
  var pins: [[BlockKey: UInt64]] = [[:], [:]]
  /// Whether the engine has heard the time, and nothing since.
  var isTicked = false
  var requestCount: UInt64 = 0
  var engineCount: UInt32 = 0
  /// The namespaces of the engines that attach, until the node restarts.
  var models: [Int] = []
  var extents: [Extent] = []
  /// `[class]`: disk slots whose block a scan found, and no write of this engine.
  var scanned: [Set<UInt32>] = [[], []]
  /// `[class]`: whether a scan has found blocks, and is not over.
  var isScanning = [false, false]
  /// `[tier][class]`: what is found where, by what the engine has told.
  var told: [[Set<BlockKey>]] = noNews
  /// What comes into the tiers of this engine, and what is known of it. The first engine takes
  /// everything, so that what fails without refusals is shrunk to a game without them.
  var door = Door()
  /// Who shares the tiers of this engine. Of the first one nobody does.
  var ledger = Ledger()
  /// What was announced, and tails.
  var announced = Announcements()
  /// Conversations that are to be back.
  var returns = Returns()
  /// Troubles come in pairs: until this step another restart is likely.
  var restartAgainBefore = 0
  /// Until these steps the disk is slow, and full.
  var slowBefore = 0
  var fullBefore = 0
  /// What every read and write takes longer.
  var diskDelay: UInt64 = 0
  /// Requests that load although computing is faster.
  var trials: Set<RequestID> = []
  /// How far the engine's clock is ahead of everybody else's.
  var clockSkew: UInt64 = 0
  /// The object store, if there is one, and what is known of it.
  let shelf: Shelf?
  var hearsay = Hearsay()
  /// Nothing goes wrong, in the object store neither.
  var isSafe = false
  private var drained: [Effect] = []
  /// The first thing that was wrong.
  var fault: BrokenInvariant?

  let limits: Limits
  let bug: PlantedBug?
  let seed: UInt64
  /// What is played of the seed's game.
  var plan: Plan
  /// What happened, in order, where the plan asks for it.
  var story: [String] = []

  /// An inference engine with its namespace.
  struct Runtime {
    let id: EngineID
    let namespace: Int
  }

  /// What a request asks for.
  struct Prompt {
    let namespace: Int
    /// The key before the first one.
    let root: BlockKey
    let keys: [BlockKey]
    /// Reads that had failed before: of those that come after, some may be this request's.
    let failedReadCount: Int
    /// When it was first told to ask again later, since its last load.
    var pendingSince: UInt64?

    /// What follows the last block, for those that are told of it.
    var tail: Tail?

    var parentKeys: [BlockKey] { [root] + keys }
    var tailName: BlockKey? {
      tail.map { BlockKey(high: $0.key.high ^ $0.scope.high, low: $0.key.low ^ $0.scope.low) }
    }
    /// The blocks' names, the tail's with them.
    var names: [BlockKey] { keys + [tailName].compactMap { $0 } }
  }

  /// A load under way.
  struct Load {
    let request: RequestID
    let firstPosition: Int
    let count: Int
    var hasFailed = false
  }

  /// Slots that come and go together.
  struct Extent {
    let tier: Tier
    let classID: ClassID
    let slots: Range<UInt32>
    var isUsable = false
  }

  /// `[namespace][group]`
  static let namespaces: [[GroupPlace]] = [
    [
      GroupPlace(classID: ClassID(0), partCount: 2), GroupPlace(classID: ClassID(1), partCount: 1),
    ],
    [GroupPlace(classID: ClassID(0), partCount: 2)],
    [
      GroupPlace(classID: ClassID(0), partCount: 2),
      GroupPlace(classID: ClassID(1), partCount: 1, windowBlocks: 2),
    ],
    [
      GroupPlace(classID: ClassID(1), partCount: 1, windowBlocks: 1),
      GroupPlace(classID: ClassID(1), partCount: 2),
      GroupPlace(classID: ClassID(0), partCount: 1, windowBlocks: 3),
    ],
    [
      GroupPlace(classID: ClassID(0), partCount: 2, windowBlocks: 5),
      GroupPlace(classID: ClassID(1), partCount: 1, windowBlocks: 4),
    ],
  ]

  /// How many ranks write a part of the block.
  static func partCount(of record: BlockRecord) -> Int {
    namespaces[Int(record.namespace.rawValue)][Int(record.group)].partCount
  }

  static let noNews: [[Set<BlockKey>]] = [[[], []], [[], []]]
  static let hostSlotCounts = [16, 12]
  static let diskSlotCounts = [24, 16]

  /// A new world; equal seeds, bugs and plans make equal ones.
  init(seed: UInt64, bug: PlantedBug?, plan: Plan, shelf: Shelf?) {
    random = Random(seed: seed)
    self.seed = seed
    self.shelf = shelf
    self.plan = plan
    var limits = Limits()
    limits.requestLimit = 8
    limits.storeLimit = 8
    limits.readLimit = 3
    limits.readFailureLimit = 2
    limits.writeLimit = 3
    limits.writeQueueLimit = 6
    // Some worlds have the shares that a node has.
    if seed % 4 != 0 { limits.stagingHoldLimit = 5 }
    limits.expectedLimit = 12
    limits.tailLimit = 3
    limits.returnLimit = 4
    limits.prefetchNanoseconds = 100
    limits.retentionPercent = 40
    limits.retentionRangeLimit = 2
    limits.pinPercent = 20
    limits.retentionTickNanoseconds = Self.retentionTick
    limits.transferNanoseconds = 1000
    limits.storeNanoseconds = 1200
    limits.stagingNanoseconds = 600
    limits.leaseNanoseconds = 100
    limits.trialNanoseconds = 400
    if shelf != nil { Self.limitObjects(&limits) }
    self.limits = limits
    self.bug = bug
    machines = (0..<2).map {
      Machine(hostSlotCount: Self.hostSlotCounts[$0], diskSlotCount: Self.diskSlotCounts[$0])
    }
    engine = Self.makeEngine(limits, epoch: epoch, seed: seed, bug: bug, door, ledger)
    extents = Self.makeExtents()
    chooseModels()
  }

  static func makeEngine(
    _ limits: Limits, epoch: UInt16, seed: UInt64, bug: PlantedBug?, _ door: Door,
    _ ledger: Ledger
  ) -> BlockEngine {
    var limits = limits
    if ledger.isDivided { limits.tenantLimit = Ledger.shares.count }
    var dice = Random(seed: seed)
    let choices = EvictionChoice.allCases
    let eviction = Eviction(
      host: choices[dice.below(choices.count)], disk: choices[dice.below(choices.count)])
    var engine = BlockEngine(
      limits: limits, epoch: epoch, seed: seed, bugs: bug?.inEngine ?? [], eviction: eviction,
      hostAdmission: door.hostPolicy, diskAdmission: door.diskPolicy, writeBudget: door.budget)
    for index in 0..<2 {
      _ = engine.openClass(
        slotBytes: 4096 * (index + 1), hostSlotLimit: hostSlotCounts[index],
        diskSlotLimit: diskSlotCounts[index])
    }
    for groups in namespaces { _ = engine.openNamespace(groups: groups) }
    if ledger.isDivided { for share in Ledger.shares { _ = engine.openTenant(share) } }
    return engine
  }

  static func makeExtents() -> [Extent] {
    var extents: [Extent] = []
    for index in 0..<2 {
      for (tier, count) in [(Tier.host, hostSlotCounts[index]), (.disk, diskSlotCounts[index])] {
        for first in stride(from: 0, to: UInt32(count), by: 4) {
          extents.append(
            Extent(tier: tier, classID: ClassID(UInt8(index)), slots: first..<(first + 4)))
        }
      }
    }
    return extents
  }

  /// Plays a step.
  ///
  /// - Throws: The first broken invariant. The simulation is over then.
  mutating func play(_ step: Int) throws(BrokenInvariant) {
    self.step = step
    if plan.plays(step) {
      random = dice(0)
      act()
    }
    random = dice(1)
    now += UInt64(random.below(20))
    runDrivers()
    isTicked = random.oneIn(4)
    if isTicked {
      tick()
      announced.tickedAt = time.nanoseconds
    }
    settle()
    checkEverything()
    if let fault { throw fault }
  }

  /// A step's dice: one set for what is done, one for what follows from it.
  private func dice(_ which: UInt64) -> Random {
    Random(seed: Random.mix(seed ^ Random.mix(UInt64(step) &* 2 &+ which)))
  }

  private mutating func act() {
    if shelf != nil && random.oneIn(12) { return actOnShelf() }
    switch random.below(100) {
    case 0..<34: ask()
    case 34..<56: store()
    case 56..<62: cancel()
    case 62..<67: endStep()
    case 67..<69: flipDiskBit()
    case 69: flipHostBit()
    case 70..<75: addExtent()
    case 75: retireExtent()
    case 76 where random.oneIn(4): resetDisk()
    case 77 where random.oneIn(4): detach()
    case 78 where random.oneIn(10): restart()
    case 79..<82 where step < restartAgainBefore: restart()
    case 82 where random.oneIn(20): quiesce()
    case 83: leaveOldCopy()
    case 84 where random.oneIn(4): purge()
    case 85 where random.oneIn(20): jumpClock()
    case 86 where random.oneIn(10): slowDisk()
    case 87 where random.oneIn(10): fillDisk()
    case 88 where random.oneIn(40): recover()
    case 89..<93: notePrefill()
    case 93:
      retain()
      retain()
      sayReturn()
    case 94: if random.oneIn(3) { unpin() } else { pin() }
    case 95, 96: announce()
    case 97, 98: storeTail()
    case 99 where random.oneIn(4): abandon()
    default: break
    }
  }

  /// What the engine's clock says.
  var time: Time { Time(nanoseconds: now + clockSkew) }

  /// Drains the effects and hands them to the drivers.
  mutating func settle() {
    engine.drain(into: &drained)
    accept(drained)
  }

  /// Adds something that happened to the trace.
  mutating func fold(_ kind: UInt64, _ value: UInt64) {
    trace = Random.mix(trace ^ Random.mix(value &* 16 &+ kind))
  }
}
