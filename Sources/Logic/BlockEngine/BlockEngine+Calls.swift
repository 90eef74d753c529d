/// What a request can expect at this moment.
public struct Match: Equatable, Sendable {
  /// Positions from the first key on that are ready in all groups, and pinned until the lease ends.
  public var readyCount: Int
  /// Positions right behind them that are on their way; while positive, asking again later may give
  /// more, up to the staging deadline.
  public var pendingCount: Int

  /// Nothing.
  public static let none = Match(readyCount: 0, pendingCount: 0)

  /// A promise of so many positions, with more to come.
  public init(readyCount: Int, pendingCount: Int) {
    self.readyCount = readyCount
    self.pendingCount = pendingCount
  }
}

/// What became of the blocks that a store was prepared for.
public struct StoreAnswer: Equatable, Sendable {
  /// Positions from the first key on that need not be offered again: present, on their way, not
  /// wanted, or taken in by this call. Those behind found no room, and can be offered later.
  public var coveredCount: Int
  /// Blocks that this call takes in, over all groups: one `offload` effect each.
  public var offloadCount: Int

  /// Nothing.
  public static let none = StoreAnswer(coveredCount: 0, offloadCount: 0)

  /// An answer by its numbers.
  public init(coveredCount: Int, offloadCount: Int) {
    self.coveredCount = coveredCount
    self.offloadCount = offloadCount
  }
}

/// What inference engines ask. Each call is total: a contradiction inside poisons the engine, and a
/// poisoned engine answers that it has nothing.
extension BlockEngine {
  /// Promises the ready prefix of a request's keys, and stages what is known behind it.
  ///
  /// Idempotent: a repeated call gives back the pins of the one before. While `pendingCount` is
  /// positive the caller asks again later, up to the staging deadline, and then takes what is
  /// ready. What is staged stays pinned until the request commits, is cancelled, or reaches that
  /// deadline.
  ///
  /// A prefix counts when every full group has all of its blocks and every windowed group the last
  /// ones, as many as its window has: `GroupPlace.windowBlocks`. Blocks before `firstPosition` are
  /// never needed.
  ///
  /// - Parameters:
  ///   - keys: Those of the positions from `firstPosition` on that the device does not have.
  ///   - parentKey: The key before them; the sequence's root at position 0.
  /// - Returns: The longest ready prefix; `none` also when too many requests are under way, or the
  ///   request is loading.
  /// - Complexity: O(`keys.count` × groups).
  public mutating func match(
    _ id: RequestID, in namespace: NamespaceID, keys: Span<BlockKey>, firstPosition: Int,
    parentKey: BlockKey, now: Time
  ) -> Match {
    guard fault == nil else { return .none }
    do throws(PoolError) {
      return try takeMatch(id, namespace, keys, firstPosition, parentKey, now)
    } catch {
      poison(error)
      return .none
    }
  }

  /// As above, with an array.
  public mutating func match(
    _ id: RequestID, in namespace: NamespaceID, keys: [BlockKey], firstPosition: Int = 0,
    parentKey: BlockKey = .none, now: Time
  ) -> Match {
    match(
      id, in: namespace, keys: keys.span, firstPosition: firstPosition, parentKey: parentKey,
      now: now)
  }

  /// Begins to load the first `count` positions that the last `match` promised into the device.
  ///
  /// The rest of the promise is released, and so is the request's staging. From here on the copy
  /// runs to its proven end, whatever happens to the request: each rank reports once through
  /// `completed`, with its number as the part, and `loadEnded` follows. A load has no deadline.
  ///
  /// Of each group the blocks that the prefix needs are loaded. Where a group is windowed, only the
  /// whole promise can be taken up: a shorter prefix needs others, which are not pinned.
  ///
  /// - Returns: Nil without such a promise in force; then nothing changes.
  /// - Complexity: O(`count` × groups).
  public mutating func commit(_ id: RequestID, count: Int, now: Time) -> OperationID? {
    guard fault == nil else { return nil }
    do throws(PoolError) { return try beginLoad(id, count, now) } catch {
      poison(error)
      return nil
    }
  }

  /// A scheduling step of the engine is over: what `match` promised in it and was not committed
  /// lapses. What requests wait for, or waited for, stays until their staging deadline.
  ///
  /// - Complexity: O(requests with a lease).
  public mutating func endStep(_ engine: EngineID) {
    guard fault == nil else { return }
    do throws(PoolError) { try endLeases { $0.id.engine == engine } } catch { poison(error) }
  }

  /// Takes in those of a request's new blocks that are wanted: absent, admitted, and with room.
  ///
  /// Each is an `offload` effect; the ranks copy their parts beside the next step. A store belongs
  /// to the engine and not to the request's life: it goes on when the request is cancelled. Stops
  /// at the first block that cannot be had.
  ///
  /// - Parameters:
  ///   - keys: Those of the full blocks of confirmed tokens from `firstPosition` on.
  ///   - parentKey: The key before them; the sequence's root at position 0.
  ///   - firstOffered: `[group]`: of how many of the first keys the engine has no block in that
  ///     group any more; positive in windowed groups only. They are no obstacle to `coveredCount`.
  ///     Empty when it has them all.
  /// - Complexity: O(`keys.count` × groups).
  public mutating func prepareStore(
    _ id: RequestID, in namespace: NamespaceID, keys: Span<BlockKey>, firstPosition: Int,
    parentKey: BlockKey, firstOffered: [Int] = [], now: Time
  ) -> StoreAnswer {
    guard fault == nil else { return .none }
    do throws(PoolError) {
      return try beginStores(id, namespace, keys, firstPosition, parentKey, firstOffered, now)
    } catch {
      poison(error)
      return .none
    }
  }

  /// As above, with an array.
  public mutating func prepareStore(
    _ id: RequestID, in namespace: NamespaceID, keys: [BlockKey], firstPosition: Int = 0,
    parentKey: BlockKey = .none, firstOffered: [Int] = [], now: Time
  ) -> StoreAnswer {
    prepareStore(
      id, in: namespace, keys: keys.span, firstPosition: firstPosition, parentKey: parentKey,
      firstOffered: firstOffered, now: now)
  }

  /// Notes how one part of an operation ended; with the last part, the operation ends.
  ///
  /// A part is a rank's for stores and loads, and 0 for reads and writes. A report that came
  /// before, or after its operation's end, or from before a restart, is counted and changes
  /// nothing. A load's `corrupt` condemns all its blocks in the host tier; who knows which one is
  /// bad calls `remove` for that one and reports `failure`.
  public mutating func completed(_ id: OperationID, part: Int, _ outcome: Outcome, now: Time) {
    guard fault == nil else { return }
    do throws(PoolError) { try note(id, part, outcome, now) } catch { poison(error) }
  }

  /// Forgets a request: its pins and its staging go. A load that runs goes on, and is reported.
  public mutating func cancel(_ id: RequestID) {
    guard fault == nil else { return }
    if !retained.isEmpty { retained[id] = nil }
    tenants.forget(id)
    guard let entry = requests.entry(of: id) else { return }
    do throws(PoolError) { try drop(entry) } catch { poison(error) }
  }

  /// The engine's processes are proven gone, or have promised that they touch nothing any more.
  ///
  /// Its requests are cancelled, its loads end, and its stores fail: their slots are free, also
  /// those in quarantine. Reports that still come are stale.
  ///
  /// - Complexity: O(requests + operations).
  public mutating func detach(_ engine: EngineID, now: Time) {
    guard fault == nil else { return }
    do throws(PoolError) { try dropEverything(of: engine, now) } catch { poison(error) }
  }

  /// Time passes: leases end, staging deadlines pass, and late transfers are given up.
  ///
  /// - Complexity: O(requests that hold something), and O(`limits`) when a transfer may be late.
  public mutating func tick(_ now: Time) {
    guard fault == nil else { return }
    do throws(PoolError) { try expire(now) } catch { poison(error) }
  }

  /// A pool says that the engine has misused it: nothing that the engine believes is sure any more.
  mutating func poison(_ error: PoolError) {
    fault = fault ?? BrokenInvariant("the engine misused a pool: \(error)")
  }
}
