import BlockIdentity
import CKVBM
import Synchronization
import Wire

extension SchedulerSide {
  /// Enters a request and returns its number, which is never used again.
  ///
  /// - Throws: `KVBM_LIMIT` with `requestCountMax` requests open.
  func begin(_ identity: SequenceIdentity) throws(CallFailure) -> UInt64 {
    let identity = Faults.isSet(.salt) ? SequenceIdentity() : identity
    let root = identity.root(in: namespace)
    return try state.withLock { (state) throws(CallFailure) in
      guard state.requests.count < Self.requestCountMax else {
        throw CallFailure(code: Int32(KVBM_LIMIT), text: "too many requests are open")
      }
      state.lastRequest &+= 1
      state.requests[state.lastRequest] = Request(
        keys: KeyChain(root: root, blockTokenCount: blockTokens))
      return state.lastRequest
    }
  }

  /// Gives a request the engine's own name for it, cut to what a message takes.
  ///
  /// - Throws: `KVBM_STALE` for a request that is not open.
  func name(_ id: UInt64, _ name: String) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard state.requests[id] != nil else { throw .stale }
      let bytes = name.utf8.prefix(WireFormat.nameBytesMax - 3)
      // A character that was cut in two is replaced by three bytes at most.
      state.requests[id]?.name = String(decoding: bytes, as: UTF8.self)
    }
  }

  /// Says who pays for what a request brings, of whatever node it meets from now on.
  ///
  /// - Throws: `KVBM_STALE` for a request that is not open.
  func pay(_ id: UInt64, _ tenant: String) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard state.requests[id] != nil else { throw .stale }
      state.requests[id]?.tenant = tenant
      state.requests[id]?.paidIn = nil
    }
  }

  /// Adds confirmed tokens and computes the keys of the blocks that they fill.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_LIMIT` beyond `tokenCountMax`, with nothing added.
  /// - Complexity: O(`tokens.count`).
  func append(
    _ id: UInt64, _ tokens: UnsafeBufferPointer<UInt32>
  ) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard let held = state.requests[id]?.keys.tokenCount else { throw .stale }
      guard tokens.count <= Self.tokenCountMax - held else {
        throw CallFailure(code: Int32(KVBM_LIMIT), text: "a request has too many tokens")
      }
      state.requests[id]?.keys.append(tokens)
    }
  }

  /// Says what tokens of the request stand for, where their ids do not tell it.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_ARGUMENT` when a key that it would change has been computed;
  ///   `KVBM_LIMIT` beyond `KeyChain.contentCountMax`. Nothing is changed then.
  func add(_ id: UInt64, _ content: BlockContent) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      // Numbers, not the keys: two holders of them would make adding a copy of all contents.
      guard let keyedTokenCount = state.requests[id]?.keys.keyedTokenCount,
        let contentCount = state.requests[id]?.keys.contentCount
      else { throw .stale }
      guard content.position >= keyedTokenCount else {
        throw .argument(
          "the content begins at token \(content.position), where the key of a full block is known "
            + "already: it must be said before its first block is full")
      }
      guard contentCount < KeyChain.contentCountMax else {
        throw CallFailure(
          code: Int32(KVBM_LIMIT),
          text: "a request has more than \(KeyChain.contentCountMax) contents")
      }
      if Faults.isSet(.content) { return }
      _ = state.requests[id]?.keys.add(content)
    }
  }

  /// How many full blocks the request has.
  ///
  /// - Throws: `KVBM_STALE`.
  func blockCount(_ id: UInt64) throws(CallFailure) -> Int64 {
    try state.withLock { (state) throws(CallFailure) in
      guard let request = state.requests[id] else { throw .stale }
      return Int64(request.keys.keys.count)
    }
  }

  /// Copies the keys of a range of full blocks to a buffer of `KVBM_KEY_BYTES` for each.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_ARGUMENT` for blocks that are not full.
  func copyKeys(
    _ id: UInt64, _ firstBlock: UInt32, _ blockCount: UInt32, to buffer: UnsafeMutableRawPointer?
  ) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard let request = state.requests[id] else { throw .stale }
      let run = try Self.run(id, request.keys, firstBlock, blockCount)
      guard let buffer else { return }
      for (place, key) in run.keys.enumerated() {
        key.store(to: buffer + place * Int(KVBM_KEY_BYTES))
      }
    }
  }

  /// Asks the node what of a range is there, and keeps its promise for `load`.
  ///
  /// Waits for the answer, `callTimeoutMilliseconds` at most. Without a node the answer is nothing.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_ARGUMENT` for blocks that are not full.
  func match(
    _ id: UInt64, _ firstBlock: UInt32, _ blockCount: UInt32
  ) throws(CallFailure) -> kvbm_match {
    try state.withLock { (state) throws(CallFailure) in
      guard let request = state.requests[id] else { throw .stale }
      state.requests[id]?.match = nil
      let count = min(Int(blockCount), matchCountMax)
      var run = try Self.run(id, request.keys, firstBlock, UInt32(count))
      guard count > 0, let attachment = link.current() else { return kvbm_match() }
      if request.introducedIn != attachment.session {
        run.name = request.name
        state.requests[id]?.introducedIn = attachment.session
      }
      if !request.tenant.isEmpty, request.paidIn != attachment.session {
        run.tenant = request.tenant
        state.requests[id]?.paidIn = attachment.session
      }
      guard let reply = askMatch(run, attachment) else { return kvbm_match() }
      let ready = min(reply.readyCount, UInt32(count))
      state.requests[id]?.match = Promise(
        session: attachment.session, firstBlock: firstBlock, readyCount: ready)
      return kvbm_match(
        ready_blocks: ready, pending_blocks: min(reply.pendingCount, UInt32(count) - ready))
    }
  }

  /// Takes up the last match's promise at the coming step; `deviceBlocks` is `[group][block]`, with
  /// `noBlock` for what a sliding group does not need.
  ///
  /// A load of more than was promised fails at the step, and is reported like any other.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_ARGUMENT`, also for a request's second load in one step.
  func load(
    _ id: UInt64, _ firstBlock: UInt32, _ blockCount: UInt32,
    _ deviceBlocks: UnsafePointer<UInt32>?
  ) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard let request = state.requests[id] else { throw .stale }
      let run = try Self.run(id, request.keys, firstBlock, blockCount)
      let blocks = try copied(deviceBlocks, Int(blockCount))
      try checkAbsent(blocks, Int(blockCount), onlyLeading: false)
      guard !state.loads.contains(where: { $0.request == id }) else {
        throw .argument("the request has a load in this step already")
      }
      var session: UInt64?
      if let promise = request.match, promise.firstBlock == firstBlock,
        blockCount <= promise.readyCount, hasRoom(for: blocks.count, state)
      {
        session = promise.session
      }
      state.requests[id]?.match = nil
      state.loads.append(
        PlannedLoad(request: id, session: session, keys: run.keys, deviceBlocks: blocks))
      tellWishes(of: id, &state)
    }
  }

  /// Offers full blocks at the coming step; `deviceBlocks` is `[group][block]`, where a sliding
  /// group's row may begin with `noBlock`s.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_ARGUMENT` for blocks that are not full, or absent elsewhere;
  ///   `KVBM_LIMIT` when one step offers too many.
  func store(
    _ id: UInt64, _ firstBlock: UInt32, _ blockCount: UInt32,
    _ deviceBlocks: UnsafePointer<UInt32>?
  ) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard let request = state.requests[id] else { throw .stale }
      guard blockCount > 0 else { return }
      var run = try Self.run(id, request.keys, firstBlock, blockCount)
      let blocks = try copied(deviceBlocks, Int(blockCount))
      let absent = try checkAbsent(blocks, Int(blockCount), onlyLeading: true)
      let planned = state.stores.reduce(0) { $0 + $1.offer.run.keys.count }
      guard run.keys.count <= WireFormat.keyCountMax - planned else {
        throw CallFailure(
          code: Int32(KVBM_LIMIT), text: "a step offers more than \(WireFormat.keyCountMax) blocks")
      }
      // The step may meet another node than the last match did.
      if request.paidIn == nil || request.paidIn != link.current()?.session {
        run.tenant = request.tenant
      }
      let offer = StepMessage.Store(
        run: run, firstOffered: absent.contains { $0 > 0 } ? absent : [])
      state.stores.append(PlannedStore(offer: offer, deviceBlocks: blocks))
      tellWishes(of: id, &state)
    }
  }

  /// Forgets a request here, and in the node at the coming step.
  ///
  /// - Throws: `KVBM_STALE`.
  func end(_ id: UInt64) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard state.requests[id] != nil else { throw .stale }
      // It may have loaded and stored nothing, and be back all the same.
      tellWishes(of: id, &state)
      state.requests[id] = nil
      state.ended.append(id)
    }
  }

  /// The keys of a range of full blocks.
  private static func run(
    _ id: UInt64, _ chain: KeyChain, _ firstBlock: UInt32, _ blockCount: UInt32
  ) throws(CallFailure) -> KeyRun {
    let first = Int(firstBlock)
    let count = Int(blockCount)
    guard first <= chain.keys.count, count <= chain.keys.count - first else {
      throw .argument(
        "blocks \(first)..<\(first + count) are not all full: the request has \(chain.keys.count)")
    }
    return KeyRun(
      request: id, firstPosition: firstBlock, parentKey: chain.parent(of: first),
      keys: Array(chain.keys[first..<first + count]))
  }

  private func copied(
    _ blocks: UnsafePointer<UInt32>?, _ blockCount: Int
  ) throws(CallFailure) -> [UInt32] {
    guard let blocks else { throw .argument("device_blocks is null") }
    return Array(UnsafeBufferPointer(start: blocks, count: blockCount * config.groups.count))
  }

  /// Checks that only sliding groups lack device blocks, and with `onlyLeading` only at the row's
  /// beginning; the number of absent ones that each group's row begins with.
  @discardableResult
  private func checkAbsent(
    _ blocks: [UInt32], _ count: Int, onlyLeading: Bool
  ) throws(CallFailure) -> [UInt32] {
    var leading: [UInt32] = []
    for group in config.groups.indices {
      let row = blocks[(group * count)..<((group + 1) * count)]
      let first = row.firstIndex { $0 != WireFormat.noBlock } ?? row.endIndex
      leading.append(UInt32(first - row.startIndex))
      if config.isSliding(group) && !onlyLeading { continue }
      guard config.isSliding(group) || first == row.startIndex,
        !row[first...].contains(WireFormat.noBlock)
      else {
        throw .argument(
          "device_blocks has KVBM_NO_BLOCK in group \(group), where only a sliding group's first "
            + "blocks can be absent")
      }
    }
    return leading
  }

  /// Whether the slots of one more load fit into the step's answer.
  private func hasRoom(for slotCount: Int, _ state: State) -> Bool {
    state.loads.reduce(slotCount) { $0 + $1.deviceBlocks.count } <= WireFormat.loadSlotCountMax
  }

  private func askMatch(_ run: KeyRun, _ attachment: Attachment) -> MatchReply? {
    var writer = ByteWriter()
    run.encode(to: &writer)
    return ask(MessageKind.match, writer, attachment) { (reader) throws(WireError) in
      try MatchReply(from: &reader)
    }
  }

  /// Asks the node; a failure is noted, and means "nothing".
  func ask<Reply>(
    _ kind: UInt16, _ writer: ByteWriter, _ attachment: Attachment,
    decode: (inout ByteReader) throws(WireError) -> Reply
  ) -> Reply? {
    do throws(CallFailure) {
      let deadline = Deadline(afterMilliseconds: config.callTimeoutMilliseconds)
      let body = try attachment.call(kind, writer, deadline: deadline)
      do throws(WireError) {
        return try body.decode(decode)
      } catch {
        attachment.abandon()
        throw CallFailure(code: Int32(KVBM_PROTOCOL), text: "the node's reply cannot be read")
      }
    } catch {
      setLastError(error.text)
      link.note(error)
      return nil
    }
  }
}
