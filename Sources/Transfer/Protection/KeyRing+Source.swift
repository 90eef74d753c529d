import Glibc

extension KeyRing {
  /// What comes before the name of a variable that holds keys.
  public static let variablePrefix = "env:"

  /// Reads keys from a file, or from the variable of `env:NAME`.
  ///
  /// Nobody but its owner may write to the file, and others may not read it; its group may, for
  /// secrets that an orchestrator mounts.
  ///
  /// - Throws: `KeyError`.
  public init(source: String) throws(KeyError) {
    guard !source.hasPrefix(Self.variablePrefix) else {
      let name = String(source.dropFirst(Self.variablePrefix.count))
      guard let value = getenv(name), value.pointee != 0 else { throw .noVariable(name: name) }
      let text = UnsafeBufferPointer(start: value, count: strlen(value)).map(
        UInt8.init(bitPattern:))
      try self.init(text: text, source: "the variable \(name)")
      return
    }
    try self.init(text: Self.read(source), source: source)
  }

  private static func read(_ path: String) throws(KeyError) -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { throw .unreadable(path: path, errno: errno) }
    defer { close(fd) }
    var status = stat()
    guard fstat(fd, &status) == 0 else { throw .unreadable(path: path, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(path: path, errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : ENODEV)
    }
    let mode = status.st_mode & 0o777
    guard mode & 0o027 == 0 else { throw .exposed(path: path, mode: mode) }
    var bytes = [UInt8](repeating: 0, count: fileBytesMax)
    let count = bytes.withUnsafeMutableBytes { Glibc.read(fd, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw .unreadable(path: path, errno: errno) }
    guard count < fileBytesMax else { throw .tooMany(source: path) }
    return Array(bytes[..<count])
  }

  private static let fileBytesMax = 65_536
}
