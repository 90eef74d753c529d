import DiskTier
import Glibc

/// The file that says: this directory is an object store, of this format.
enum ObjectMarker {
  /// Its name, in the store's root.
  static let fileName = "kvbm-objects.json"
  /// The newest form of a directory that this version reads and writes.
  static let formatKnown = 1
  /// What file systems put into directories of their own: no sign that somebody else uses it.
  private static let harmlessNames: Set<String> = [".", "..", "lost+found", ".snapshot"]

  /// Makes the directory (its parent has to be there) and the marker where they are missing.
  ///
  /// Several nodes may do so at once: the first one's marker stays.
  ///
  /// - Throws: `notAStore`, `newerFormat`, `system`; a foreign directory is left as it was.
  static func open(_ root: String) throws(ObjectError) {
    // For the group as well: nodes may run under several users.
    if mkdir(root, 0o770) != 0 && errno != EEXIST && access(root, F_OK) != 0 {
      throw .system(call: "mkdir", path: root, errno: errno)
    }
    guard try !check(root) else { return }
    let isEmpty = try names(root).allSatisfy(isHarmless)
    // Another node may have made both marker and objects since.
    guard try !check(root) else { return }
    guard isEmpty else { throw .notAStore(path: root) }
    try make(root)
    guard try check(root) else { throw .gone(path: root) }
  }

  /// Whether the marker is there.
  ///
  /// - Throws: `newerFormat`, `notAStore` when it cannot be understood, `system`.
  private static func check(_ root: String) throws(ObjectError) -> Bool {
    let path = "\(root)/\(fileName)"
    let found = try ObjectError.mapped { () throws(DiskTierError) in
      try Directory.read(path, limit: 65_536)
    }
    guard let found else { return false }
    guard let format = TopLevelMembers(found).members?["format"].flatMap({ Int($0) }) else {
      throw .notAStore(path: root)
    }
    guard format <= formatKnown else {
      throw .newerFormat(path: root, version: format, known: formatKnown)
    }
    return true
  }

  /// Whether the root holds nothing that is anybody's.
  static func isEmpty(_ root: String) -> Bool {
    (try? names(root).allSatisfy(isHarmless)) ?? false
  }

  /// Writes the marker under a temporary name and gives it its own, unless another node has.
  static func make(_ root: String) throws(ObjectError) {
    let temporary = "\(root)/\(TemporaryName.next())"
    defer { unlink(temporary) }
    var file = try ObjectFile(making: temporary)
    let text = Array("{\"format\": \(formatKnown)}\n".utf8)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: text)
    try file.write(from: bytes.baseAddress!, count: bytes.count, deadline: .max)
    try file.finish()
    _ = try ObjectLink.publish(temporary, as: "\(root)/\(fileName)")
  }

  private static func isHarmless(_ name: String) -> Bool {
    harmlessNames.contains(name) || TemporaryName.matches(name)
  }

  private static func names(_ root: String) throws(ObjectError) -> [String] {
    try ObjectError.mapped { () throws(DiskTierError) in try Directory.list(root) }
  }
}

/// Names of files that are being written: `.kvbm-<32 digits>.part`, never the same twice.
enum TemporaryName {
  private static let prefix = ".kvbm-"
  private static let suffix = ".part"

  /// A name that no other node and no other thread has.
  static func next() -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return prefix + HexText.string(bytes) + suffix
  }

  /// Whether a name is one of these.
  static func matches(_ name: String) -> Bool {
    name.hasPrefix(prefix) && name.hasSuffix(suffix)
      && HexText.isDigits(name.dropFirst(prefix.count).dropLast(suffix.count), count: 32)
  }
}

/// Gives a finished file its name, in one step.
enum ObjectLink {
  /// False when the name is taken; whoever has it stays. The temporary name may be left.
  ///
  /// - Throws: `system`.
  static func publish(_ temporary: String, as path: String) throws(ObjectError) -> Bool {
    if link(temporary, path) == 0 { return true }
    switch errno {
    case EEXIST: return false
    // No hard links there. Whoever is replaced between the two calls had the same content.
    case EPERM, ENOSYS, EOPNOTSUPP, EMLINK:
      if access(path, F_OK) == 0 { return false }
      guard rename(temporary, path) == 0 else {
        throw .system(call: "rename", path: path, errno: errno)
      }
      return true
    default: throw .system(call: "link", path: path, errno: errno)
    }
  }
}
