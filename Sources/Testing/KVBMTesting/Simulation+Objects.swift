import BlockEngine

/// What a node knows of the object store by what it was told, naively.
struct Hearsay {
  /// Names that some answer has said to be there.
  var stored: Set<BlockKey> = []
  /// When anything was answered last, and operations begun since.
  var answeredAt: UInt64 = 0
  var begunSince = 0
}

/// The object store: who carries its work out, what happens to it, and what must hold.
extension Simulation {
  static func limitObjects(_ limits: inout Limits) {
    limits.objectKeyLimit = 40
    // Where windows leave gaps, so much has to come at once.
    limits.getLimit = 6
    limits.putLimit = 3
    limits.lookLimit = 2
    limits.putQueueLimit = 5
    limits.objectFailureLimit = 3
    limits.objectNanoseconds = 1100
    limits.lookNanoseconds = 400
    limits.absentNanoseconds = 500
    limits.objectPauseNanoseconds = 300
  }

  // MARK: What happens

  /// Something becomes of the store, or of an object.
  mutating func actOnShelf() {
    guard let shelf else { return }
    switch random.below(8) {
    case 0, 1:
      guard strikes(.objectBitFlip) else { return }
      shelf.flipBit(&random)
      tell("a bit of an object turns round")
    case 2, 3:
      guard strikes(.deletedObject) else { return }
      shelf.deleteAny(&random)
      tell("an object is deleted by others")
    case 4:
      guard strikes(.mixedUpObject) else { return }
      shelf.mixUp(&random)
      tell("an object lies under another's name")
    case 5 where random.oneIn(4):
      guard strikes(.storeOutage) else { return }
      shelf.outBefore = step + random.below(900)
      tell("the object store is out until step \(shelf.outBefore)")
    case 6 where random.oneIn(4):
      guard strikes(.slowStore) else { return }
      shelf.slowBefore = step + random.below(600)
      tell("the object store is slow until step \(shelf.slowBefore)")
    default: break
    }
  }

  /// Carries out one part of an operation on the store.
  mutating func run(_ job: Job, on shelf: Shelf, fails: Bool) -> Outcome {
    if step < shelf.outBefore && !isSafe { return .failure }
    switch job.work {
    case .put(let record, let source):
      return put(record, from: source, shelf, fails: fails)
    case .get(let record, let target):
      guard let image = shelf[record] else { return fails ? .failure : .missing }
      let isRight = machines[target].enter(image, target.block.slot, as: record)
      if fails { return .failure }
      if isRight || bug == .skipObjectVerification { return .success }
      shelf.delete(record)
      return .corrupt
    case .look(let record):
      return fails ? .failure : shelf.contains(record) ? .success : .missing
    case .offload, .onboard, .read, .write:
      return .failure
    }
  }

  private mutating func put(
    _ record: BlockRecord, from source: BlockRef, _ shelf: Shelf, fails: Bool
  ) -> Outcome {
    let parts = 0..<Self.partCount(of: record)
    if parts.contains(where: { !machines[source].isIntact(source.block.slot, part: $0) }) {
      return .corrupt
    }
    if fails { return .failure }
    var image = machines[source].image(of: source.block.slot, record)
    if strikes(.tornObject, oneIn: 30) { image.parts[0] = 0 }
    shelf.put(image)
    return strikes(.falseFailure, oneIn: 12) ? .failure : .success
  }

  /// The node dies: puts under way may be done, or not.
  mutating func abandonPuts() {
    guard let shelf else { return }
    for job in jobs where !job.isEcho && job.outcome == nil {
      guard case .put = job.work, random.oneIn(2) else { continue }
      _ = run(job, on: shelf, fails: false)
    }
    hearsay = Hearsay()
    hearsay.answeredAt = time.nanoseconds
  }

  // MARK: What must hold

  /// An operation on the store begins.
  mutating func checkAsked() {
    hearsay.begunSince += 1
    let patience =
      limits.getLimit + limits.putLimit + limits.lookLimit + limits.objectFailureLimit + 1
    let pauses = (time.nanoseconds - hearsay.answeredAt) / limits.objectPauseNanoseconds
    check(
      hearsay.begunSince <= patience + Int(pauses),
      "a store that does not answer is asked again and again")
  }

  /// What is got was said to be there.
  mutating func checkGet(_ record: BlockRecord) {
    checkAsked()
    check(hearsay.stored.contains(record.indexName), "an object is got that nobody told of")
  }

  /// What is put is ready, and is for others.
  mutating func checkPut(_ record: BlockRecord, _ source: BlockRef) {
    checkAsked()
    check(engine.record(of: source) == record, "a put under another block's name")
    check(!announced.tailNames.contains(record.key), "a tail is put into the object store")
  }

  /// The store has answered, or the answer has come at last; the engine was told.
  mutating func hearObjects(_ job: Job, _ outcome: Outcome) {
    if outcome != .failure {
      (hearsay.answeredAt, hearsay.begunSince) = (time.nanoseconds, 0)
    }
    switch (job.work, outcome) {
    case (.put(let record, _), .success), (.look(let record), .success),
      (.get(let record, _), .success):
      hearsay.stored.insert(record.indexName)
    case (.get(let record, _), .missing), (.get(let record, _), .corrupt):
      guard !job.isEcho else { return }
      let presence = engine.presence(
        of: record.key, group: Int(record.group), in: record.namespace)
      check(!presence.contains(.object), "an object that is not there, or wrong, is believed in")
    default: break
    }
  }
}

extension BlockRecord {
  /// Its name in its class.
  var indexName: BlockKey { key.inGroup(Int(group)) }
}
