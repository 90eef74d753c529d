extension BlockEngine {
  /// What is known of the object store is bounded, and every question that is not answered is asked
  /// by an operation; see `checkInvariants`.
  func checkObjects() throws(BrokenInvariant) {
    var asked: [BlockKey: OperationID] = [:]
    var count = 0
    operations.visit { id, operation in
      if operation.kind.isOnObjects { count += 1 }
      guard operation.kind == .look, !operation.hasTimedOut else { return }
      for key in operation.keys { asked[key] = id }
    }
    guard let objects else {
      return try require(count == 0, "something is asked of a store that there is not")
    }
    try require(objects.memory.count <= limits.objectKeyLimit, "too many keys are remembered")
    try require(objects.puts.count <= limits.putQueueLimit, "too many blocks wait to be put")
    try require(objects.asked == asked, "answers are awaited that nobody gives")
    var waiting: Set<BlockRef> = []
    objects.puts.visit { entry in
      waiting.insert(BlockRef(tier: .host, classID: entry.classID, block: entry.block))
    }
    for ref in waiting where pools[.host, ref.classID].pool.key(of: ref.block) != nil {
      try require(
        pools[.host, ref.classID].notes[ref.block.slot].isBeingPut, "a put that is not noted")
    }
  }
}
