import Glibc

/// The directory in which connectors keep the sockets of the nodes that they start.
public struct RuntimeDirectoryFacts: Hashable, Sendable {
  /// Where sockets go: `$XDG_RUNTIME_DIR/kvbm`, or `/tmp/kvbm-UID`.
  public var path: String
  /// Whether it is there; a connector makes it otherwise.
  public var exists = false
  /// Whether it is a directory and no link.
  public var isDirectory = true
  /// Whether it belongs to this user.
  public var isOwn = true
  /// Its permission bits.
  public var mode: UInt32 = 0o700
  /// Why this user cannot make a file in it, or make it; nil when it can.
  public var obstacle: String?

  /// Facts that are all well; for tests.
  public init(path: String) { self.path = path }

  /// The same choice as the connector's: a base that is there and leaves room for a socket's name.
  public static func choose(base: String?, uid: UInt32) -> String {
    if let base, !base.isEmpty, DirectoryFacts(base).exists,
      "\(base)/kvbm/".utf8.count + socketNameBytes < socketPathBytesMax
    {
      return "\(base)/kvbm"
    }
    return "/tmp/kvbm-\(uid)"
  }

  /// "node-", 24 hexadecimal digits and ".sock".
  private static let socketNameBytes = 34
  private static let socketPathBytesMax = 100

  /// Looks at this user's directory, and changes nothing.
  public static func read() -> RuntimeDirectoryFacts {
    let base = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }
    var facts = RuntimeDirectoryFacts(path: choose(base: base, uid: geteuid()))
    var status = stat()
    if lstat(facts.path, &status) == 0 {
      facts.exists = true
      facts.isDirectory = status.st_mode & S_IFMT == S_IFDIR
      facts.isOwn = status.st_uid == geteuid()
      facts.mode = status.st_mode & 0o777
    }
    facts.obstacle = DirectoryFacts(facts.path).obstacle
    return facts
  }

  /// A judgement of the facts. Pure.
  public var finding: Finding {
    let check = "runtime directory"
    let remedy = "Set XDG_RUNTIME_DIR to a directory that this user alone may enter"
    if exists && (!isDirectory || !isOwn) {
      return .failure(
        check, "\(path) is not a directory of this user",
        remedy: "Remove it, or \(remedy.prefix(1).lowercased())\(remedy.dropFirst())")
    }
    if let obstacle { return .failure(check, obstacle, remedy: remedy) }
    if exists && mode & 0o077 != 0 {
      return .warning(
        check, "\(path) is open to others (mode \(String(mode, radix: 8)))",
        remedy: "chmod 700 \(path); a connector does so when it starts")
    }
    return .fine(check, exists ? "\(path), private" : "\(path) will be made")
  }
}
