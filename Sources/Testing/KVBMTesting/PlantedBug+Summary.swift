extension PlantedBug {
  /// What is wrong with it, in a line.
  public var summary: String {
    switch self {
    case .registerEarly: "a block is ready as soon as its first part is"
    case .freeOnTimeout: "a slot is free at its transfer's deadline, while bytes still arrive"
    case .releaseSourceOnTimeout:
      "a transfer's source is released at the deadline, while it is read"
    case .keepCorrupt: "a disk copy with a wrong checksum stays in the index"
    case .leakOnCancel: "a cancelled request keeps its pins"
    case .acceptStale: "a report for an operation that is over counts for the next one"
    case .countTwice: "a part that is reported twice counts twice"
    case .stageTwice: "a block that is on its way is fetched again"
    case .stageUnbounded: "the budget of staged blocks is not looked at"
    case .offerAgain: "a block whose load failed is offered to the same request again"
    case .abandonLoad: "a cancelled load gives its pins back while the copy runs"
    case .forgetGroup: "a prefix is ready when its first group is"
    case .forgetOwner: "a dead engine's stores and loads go on"
    case .keepLease: "promises outlive their step"
    case .writeUnbounded: "the queue of writes has no limit"
    case .adoptOlder: "of two copies on disk the earlier one stays"
    case .trustHost: "a host block that turned out wrong stays ready"
    case .unpinnedRead: "the disk copy that a read is from can be evicted"
    case .leakRest: "what a load does not take of its promise stays pinned"
    case .waitForever: "requests wait for staging without a deadline"
    case .giveUpDisk: "after a write has failed nothing is written any more"
    case .shortWindow: "windows are a block too short"
    case .wrongEnd: "a window's blocks are taken for the first ones of the prefix"
    case .ignoreHole: "a window is complete whatever is missing in it"
    case .grantShorter: "less than was promised is loaded, with the promise's windows"
    case .storeDropped: "blocks are stored that the engine does not have any more"
    case .stopAtDropped: "a block that the engine has given up ends what is covered"
    case .stageShort: "of a window all but the first block is staged"
    case .neverTry: "a way that was too slow once is never tried again"
    case .cutWindow: "half of a prefix is promised where loading is not worth it"
    case .countOneGroup: "what a load costs is worked out for its first group alone"
    case .skipVerification: "the disk driver does not look at checksums"
    case .skipHostVerification: "ranks load without looking at checksums"
    case .keepEpoch: "a restarted node takes reports of its predecessor for its own"
    case .reportSuccess: "drivers and ranks report success when they failed"
    case .sharedRoot: "namespaces share keys, as if the salt were not hashed"
    }
  }
}
