/// Defects that a simulation plants, to prove that it would find them. Empty everywhere else.
package struct PlantedBugs: OptionSet, Sendable {
  package let rawValue: UInt128
  package init(rawValue: UInt128) { self.rawValue = rawValue }

  /// A block is registered as soon as its first part succeeded.
  package static let registerEarly = PlantedBugs(rawValue: 1 << 0)
  /// A transfer's target is freed at its deadline, and not quarantined.
  package static let freeOnTimeout = PlantedBugs(rawValue: 1 << 1)
  /// A transfer's source is released at its deadline, while it may still be read.
  package static let releaseSourceOnTimeout = PlantedBugs(rawValue: 1 << 2)
  /// A copy whose checksum was wrong stays in the index.
  package static let keepCorrupt = PlantedBugs(rawValue: 1 << 3)
  /// A cancelled request keeps its pins.
  package static let leakOnCancel = PlantedBugs(rawValue: 1 << 4)
  /// A report for an operation that is over counts for the one that came after it.
  package static let acceptStale = PlantedBugs(rawValue: 1 << 5)
  /// A part that is reported twice counts twice.
  package static let countTwice = PlantedBugs(rawValue: 1 << 6)
  /// A key that is on its way already is fetched again.
  package static let stageTwice = PlantedBugs(rawValue: 1 << 7)
  /// The staging budget is not looked at.
  package static let stageUnbounded = PlantedBugs(rawValue: 1 << 8)
  /// A key whose load failed is offered to the same request again.
  package static let offerAgain = PlantedBugs(rawValue: 1 << 9)
  /// A cancelled load gives its pins back at once, while the copy runs.
  package static let abandonLoad = PlantedBugs(rawValue: 1 << 10)
  /// A prefix counts as ready when its first group is.
  package static let forgetGroup = PlantedBugs(rawValue: 1 << 11)
  /// A detached engine's operations go on, though nobody will report them.
  package static let forgetOwner = PlantedBugs(rawValue: 1 << 12)
  /// Promises outlive their step.
  package static let keepLease = PlantedBugs(rawValue: 1 << 13)
  /// Writes have no limit.
  package static let writeUnbounded = PlantedBugs(rawValue: 1 << 14)
  /// Of two copies that a scan finds, the one with the earlier write stays.
  package static let adoptOlder = PlantedBugs(rawValue: 1 << 15)
  /// A host block that turned out corrupt while it was loaded stays ready.
  package static let trustHost = PlantedBugs(rawValue: 1 << 16)
  /// The disk copy of a block that is read back is not pinned.
  package static let unpinnedRead = PlantedBugs(rawValue: 1 << 17)
  /// What a load does not take of its promise stays pinned.
  package static let leakRest = PlantedBugs(rawValue: 1 << 18)
  /// Requests wait for staging without a deadline.
  package static let waitForever = PlantedBugs(rawValue: 1 << 19)
  /// Windows are a block shorter than they should be.
  package static let shortWindow = PlantedBugs(rawValue: 1 << 20)
  /// A window's blocks are taken for the first ones of the prefix.
  package static let wrongEnd = PlantedBugs(rawValue: 1 << 21)
  /// A window is complete whatever is missing in it.
  package static let ignoreHole = PlantedBugs(rawValue: 1 << 22)
  /// Less than was promised can be loaded, with the windows of the promise.
  package static let grantShorter = PlantedBugs(rawValue: 1 << 23)
  /// Blocks that the engine does not have any more are stored.
  package static let storeDropped = PlantedBugs(rawValue: 1 << 24)
  /// A block that the engine does not have any more ends what is covered.
  package static let stopAtDropped = PlantedBugs(rawValue: 1 << 25)
  /// Of a window all but its first block is staged.
  package static let stageShort = PlantedBugs(rawValue: 1 << 26)
  /// After a write has failed nothing is written any more.
  package static let giveUpDisk = PlantedBugs(rawValue: 1 << 27)
  /// Blocks that the host tier's policy does not want are stored.
  package static let storeRefused = PlantedBugs(rawValue: 1 << 28)
  /// Blocks are let in that nobody could use, for the one before them is not there.
  package static let admitOrphan = PlantedBugs(rawValue: 1 << 29)
  /// Writes beyond the disk's budget are done.
  package static let writeUnpaid = PlantedBugs(rawValue: 1 << 30)
  /// What a request says of its blocks' worth does not matter for what comes in.
  package static let ignorePriority = PlantedBugs(rawValue: 1 << 31)
  /// That a conversation will be back is forgotten with its request.
  package static let forgetReturn = PlantedBugs(rawValue: 1 << 34)
  /// What a conversation will need is read as soon as its request is over.
  package static let prefetchEarly = PlantedBugs(rawValue: 1 << 35)
  /// Reads for nobody take the room of those who wait.
  package static let prefetchGreedy = PlantedBugs(rawValue: 1 << 36)
  /// A way that is slower than computing is never tried again.
  package static let neverTry = PlantedBugs(rawValue: 1 << 40)
  /// Half of a ready prefix is promised where it is not worth its load.
  package static let cutWindow = PlantedBugs(rawValue: 1 << 41)
  /// Of what a load moves only the first group counts.
  package static let countOneGroup = PlantedBugs(rawValue: 1 << 42)
  /// A request whose store or write timed out is never over.
  package static let forgetUse = PlantedBugs(rawValue: 1 << 32)
  /// A block that the policy does not want ends what is covered.
  package static let stopAtUnwanted = PlantedBugs(rawValue: 1 << 33)
  /// Leases of announced blocks do not end.
  package static let outliveLease = PlantedBugs(rawValue: 1 << 48)
  /// What a producer gives up, or takes along, is waited for all the same.
  package static let keepAbandoned = PlantedBugs(rawValue: 1 << 49)
  /// A block that was announced and came is expected all the same.
  package static let expectStored = PlantedBugs(rawValue: 1 << 50)
  /// Tails are called as if their scope did not count.
  package static let shareTails = PlantedBugs(rawValue: 1 << 51)
  /// Tails stay when their lease ends.
  package static let keepTails = PlantedBugs(rawValue: 1 << 52)
  /// Tails are written to disk like all blocks.
  package static let writeTails = PlantedBugs(rawValue: 1 << 53)
  /// A pinned block can be evicted.
  package static let weakPin = PlantedBugs(rawValue: 1 << 56)
  /// A pin does not end at its time.
  package static let leakPin = PlantedBugs(rawValue: 1 << 57)
  /// What is said of a block's worth has no end.
  package static let keepForever = PlantedBugs(rawValue: 1 << 59)
  /// There may be any number of blocks above normal.
  package static let retainUnbounded = PlantedBugs(rawValue: 1 << 60)
  /// A block is worth what is said of it, whatever is said of what goes on behind it.
  package static let forgetBehind = PlantedBugs(rawValue: 1 << 61)
  /// What a header says of its block's worth is not looked at.
  package static let forgetOnDisk = PlantedBugs(rawValue: 1 << 62)
  /// What the object store does not have is taken for gotten.
  package static let missingIsThere = PlantedBugs(rawValue: 1 << 45)
  /// What the object store turned out not to have is believed to be there.
  package static let keepMissing = PlantedBugs(rawValue: 1 << 46)
  /// What the object store has, and is wrong, is believed to be right.
  package static let keepCorruptObject = PlantedBugs(rawValue: 1 << 47)
  /// An object store that did not answer is never tried again.
  package static let neverReopen = PlantedBugs(rawValue: 1 << 54)
  /// An object store that does not answer is asked all the same.
  package static let ignoreBreaker = PlantedBugs(rawValue: 1 << 55)
  /// A host block that is put into the object store is not pinned.
  package static let putUnpinned = PlantedBugs(rawValue: 1 << 63)
  /// Any number of blocks can wait to be put.
  package static let putUnbounded = PlantedBugs(rawValue: 1 << 37)
  /// Tails are put into the object store like all blocks.
  package static let putTails = PlantedBugs(rawValue: 1 << 38)
  /// Any number of keys of the object store are remembered.
  package static let rememberAll = PlantedBugs(rawValue: 1 << 39)
  /// A question to the object store that is late is waited for all the same.
  package static let lookForever = PlantedBugs(rawValue: 1 << 43)
  /// A store that does not answer is tried only when something is wanted of it.
  package static let tryOnDemand = PlantedBugs(rawValue: 1 << 120)
  /// The target of a get is freed at its deadline, and not quarantined.
  package static let freeLateGet = PlantedBugs(rawValue: 1 << 44)
  /// A tenant's limit is not looked at.
  package static let ignoreShare = PlantedBugs(rawValue: 1 << 64)
  /// What is reserved for a tenant is taken by others.
  package static let ignoreReserve = PlantedBugs(rawValue: 1 << 65)
  /// What is on its way does not count as a tenant's.
  package static let forgetArrivals = PlantedBugs(rawValue: 1 << 66)
  /// At its limit a tenant takes others' places.
  package static let takeFromOthers = PlantedBugs(rawValue: 1 << 67)
  /// What is written to disk is paid for by nobody in particular.
  package static let disownOnDisk = PlantedBugs(rawValue: 1 << 68)
  /// Who paid for what a scan finds is not looked at.
  package static let disownFound = PlantedBugs(rawValue: 1 << 69)
  /// There may be any number of pins.
  package static let pinUnbounded = PlantedBugs(rawValue: 1 << 58)
}
