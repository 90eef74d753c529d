import BlockEngine
import ObjectTier

/// How a node stands with its object store.
public struct ObjectReport: Codable, Sendable {
  /// Where it is.
  public var url: String
  /// "opening", "closed" (it could not be opened so far), "open", or "left alone" (it does not
  /// answer, and is tried now and then).
  public var state: String
  /// "none", "authenticated", or "aes-256-gcm".
  public var protection: String
  /// Blocks that wait to be put, or are being put.
  public var pendingPuts: Int
  /// What the last sweep of a directory has found there, of all nodes: 0 before it.
  public var objects: Int
  public var bytes: Int

  /// One or two lines for people.
  var lines: [String] {
    let found = objects > 0 ? ", \(ByteSize(bytes: bytes)) in \(objects) objects" : ""
    return [
      "object \(url): \(state), \(pendingPuts) blocks to be put\(found)",
      "object protection: \(protection)",
    ]
  }
}

extension NodeState {
  /// How the node stands with its object store; nil without one.
  func objectReport(of object: NodeConfiguration.Object?) -> ObjectReport? {
    guard let objects, let object else { return nil }
    let swept = objects.keeper.swept
    let state =
      objects.keeper.store == nil
      ? (objects.keeper.failure == nil ? "opening" : "closed")
      : (engine.isObjectStoreShut ? "left alone" : "open")
    return ObjectReport(
      url: object.url, state: state, protection: object.protection.rawValue,
      pendingPuts: engine.pendingPutCount, objects: swept.objectCount,
      bytes: swept.byteCount)
  }

  /// What the node counts of the object store beside its engine.
  func addObjectCounters(to counters: inout [String: Int]) {
    guard let objects else { return }
    let (figures, swept) = (objects.figures, objects.keeper.swept)
    counters["object_corrupt"] = objectFaults.corrupt
    counters["object_failed"] = objectFaults.failed
    for (name, value) in objectFaults.protection.named { counters["object_" + name] = value }
    counters["objects_present"] = figures.existingCount
    counters["objects_cut"] = figures.damagedCount
    counters["object_retries"] = figures.retryCount
    counters["objects_swept"] = swept.removedCount
    counters["objects_swept_bytes"] = swept.removedBytes
    counters["object_leftovers_swept"] = swept.temporaryCount
  }
}
