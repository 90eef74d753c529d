import ObjectTier

/// Whether a shared store can be used from this machine.
public enum ObjectFinding {
  /// Puts, gets and deletes an object there. A directory that is empty becomes a store.
  public static func check(url: String, endpoint: String?) -> Finding {
    do throws(ObjectError) {
      let store = try ObjectStores.open(url: url, endpoint: endpoint)
      defer { store.shutdown() }
      return judge(try ObjectProbe(store), url: url)
    } catch {
      return .failure("object", "\(url): \(error.reason)", remedy: error.remedy)
    }
  }

  private static func judge(_ probe: ObjectProbe, url: String) -> Finding {
    .fine(
      "object",
      "\(url) takes and gives bytes: \(ByteSize(bytes: probe.byteCount)) put in "
        + "\(milliseconds(probe.putSeconds)) ms, got in \(milliseconds(probe.getSeconds)) ms")
  }

  private static func milliseconds(_ seconds: Double) -> Int { Int(seconds * 1_000 + 0.5) }
}
