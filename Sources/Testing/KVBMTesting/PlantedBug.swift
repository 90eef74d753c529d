import BlockEngine

/// A defect that a run can be given by name; every one must be found.
public enum PlantedBug: String, CaseIterable, Sendable {
  // The engine's.
  case registerEarly, freeOnTimeout, releaseSourceOnTimeout, keepCorrupt, leakOnCancel
  case acceptStale, countTwice, stageTwice, stageUnbounded, offerAgain, abandonLoad, forgetGroup
  case forgetOwner, keepLease, writeUnbounded, adoptOlder, trustHost, unpinnedRead, leakRest
  case waitForever, giveUpDisk, forgetUse, stopAtUnwanted, storeRefused, admitOrphan, writeUnpaid
  case ignorePriority
  case weakPin, leakPin, pinUnbounded, keepForever, retainUnbounded, forgetBehind, forgetOnDisk
  // What is read ahead.
  case forgetReturn, prefetchEarly, prefetchGreedy
  // Where groups are windowed.
  case shortWindow, wrongEnd, ignoreHole, grantShorter, storeDropped, stopAtDropped, stageShort
  // Where it is weighed whether to load.
  case neverTry, cutWindow, countOneGroup
  // Blocks that are announced, and tails.
  case outliveLease, keepAbandoned, expectStored, shareTails, keepTails, writeTails
  // Tenants that share the tiers.
  case ignoreShare, ignoreReserve, forgetArrivals, takeFromOthers, disownOnDisk, disownFound
  // The object store.
  case missingIsThere, keepMissing, keepCorruptObject, neverReopen, ignoreBreaker, putUnpinned
  case putUnbounded, putTails, rememberAll, lookForever, freeLateGet, tryOnDemand
  /// The object store's driver reports success without looking at checksums.
  case skipObjectVerification
  /// The disk driver reports success without looking at checksums.
  case skipVerification
  /// Ranks load without looking at checksums.
  case skipHostVerification
  /// A restarted engine has the epoch of the one before.
  case keepEpoch
  /// Drivers and ranks report success when they have failed.
  case reportSuccess
  /// All namespaces have one root, as if the salt were not hashed.
  case sharedRoot

  /// The engine's share of it.
  var inEngine: PlantedBugs {
    switch self {
    case .registerEarly: .registerEarly
    case .freeOnTimeout: .freeOnTimeout
    case .releaseSourceOnTimeout: .releaseSourceOnTimeout
    case .keepCorrupt: .keepCorrupt
    case .leakOnCancel: .leakOnCancel
    case .acceptStale: .acceptStale
    case .countTwice: .countTwice
    case .stageTwice: .stageTwice
    case .stageUnbounded: .stageUnbounded
    case .offerAgain: .offerAgain
    case .abandonLoad: .abandonLoad
    case .forgetGroup: .forgetGroup
    case .forgetOwner: .forgetOwner
    case .keepLease: .keepLease
    case .writeUnbounded: .writeUnbounded
    case .adoptOlder: .adoptOlder
    case .trustHost: .trustHost
    case .unpinnedRead: .unpinnedRead
    case .leakRest: .leakRest
    case .waitForever: .waitForever
    case .giveUpDisk: .giveUpDisk
    case .storeRefused: .storeRefused
    case .admitOrphan: .admitOrphan
    case .writeUnpaid: .writeUnpaid
    case .ignorePriority: .ignorePriority
    case .weakPin: .weakPin
    case .leakPin: .leakPin
    case .pinUnbounded: .pinUnbounded
    case .keepForever: .keepForever
    case .retainUnbounded: .retainUnbounded
    case .forgetBehind: .forgetBehind
    case .forgetOnDisk: .forgetOnDisk
    case .forgetReturn: .forgetReturn
    case .prefetchEarly: .prefetchEarly
    case .prefetchGreedy: .prefetchGreedy
    case .shortWindow: .shortWindow
    case .wrongEnd: .wrongEnd
    case .ignoreHole: .ignoreHole
    case .grantShorter: .grantShorter
    case .storeDropped: .storeDropped
    case .stopAtDropped: .stopAtDropped
    case .stageShort: .stageShort
    case .neverTry: .neverTry
    case .cutWindow: .cutWindow
    case .countOneGroup: .countOneGroup
    case .forgetUse: .forgetUse
    case .stopAtUnwanted: .stopAtUnwanted
    case .outliveLease: .outliveLease
    case .keepAbandoned: .keepAbandoned
    case .expectStored: .expectStored
    case .shareTails: .shareTails
    case .keepTails: .keepTails
    case .writeTails: .writeTails
    case .ignoreShare: .ignoreShare
    case .ignoreReserve: .ignoreReserve
    case .forgetArrivals: .forgetArrivals
    case .takeFromOthers: .takeFromOthers
    case .disownOnDisk: .disownOnDisk
    case .disownFound: .disownFound
    case .missingIsThere: .missingIsThere
    case .keepMissing: .keepMissing
    case .keepCorruptObject: .keepCorruptObject
    case .neverReopen: .neverReopen
    case .ignoreBreaker: .ignoreBreaker
    case .putUnpinned: .putUnpinned
    case .putUnbounded: .putUnbounded
    case .putTails: .putTails
    case .rememberAll: .rememberAll
    case .lookForever: .lookForever
    case .freeLateGet: .freeLateGet
    case .tryOnDemand: .tryOnDemand
    case .skipObjectVerification: []
    case .skipVerification, .skipHostVerification, .keepEpoch, .reportSuccess, .sharedRoot: []
    }
  }
}
