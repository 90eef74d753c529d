import CLinux
import Glibc

/// What can be said of a directory, or of the place where it would be made, without changing it.
public struct DirectoryFacts: Sendable {
  /// As it was given, made absolute.
  public let path: String
  /// Whether it is there.
  public let exists: Bool
  /// The directory itself, or the nearest one above it that is there.
  public let nearest: String
  /// Why this user cannot keep a store in it; nil when nothing speaks against it.
  public let obstacle: String?
  /// Bytes free to this user; nil where the file system does not say.
  public let freeBytes: Int?

  /// Looks at a path.
  public init(_ path: String) {
    self.path = Self.absolute(path)
    var nearest = self.path
    var status = stat()
    while stat(nearest, &status) != 0, errno == ENOENT, nearest != "/" {
      let slash = nearest.lastIndex(of: "/") ?? nearest.startIndex
      nearest = slash == nearest.startIndex ? "/" : String(nearest[..<slash])
    }
    self.nearest = nearest
    exists = nearest == self.path
    if stat(nearest, &status) != 0 {
      obstacle = "\(nearest): \(String(cString: strerror(errno)))"
    } else if status.st_mode & S_IFMT != S_IFDIR {
      obstacle = "\(nearest) is no directory"
    } else if access(nearest, R_OK | W_OK | X_OK) != 0 {
      obstacle = "\(nearest): \(String(cString: strerror(errno)))"
    } else {
      obstacle = nil
    }
    var free: UInt64 = 0
    var total: UInt64 = 0
    freeBytes = clinux_free_bytes(nearest, &free, &total) == 0 ? Int(clamping: free) : nil
  }

  /// A path that means the same in every process: from the root, without an ending slash.
  ///
  /// A leading "~" is this user's home, as it is for the connector.
  public static func absolute(_ path: String) -> String {
    var result = path
    if path == "~" || path.hasPrefix("~/"), let home = getenv("HOME") {
      result = String(cString: home) + path.dropFirst(1)
    } else if !path.hasPrefix("/"), let current = getcwd(nil, 0) {
      result = String(cString: current) + "/" + path
      free(current)
    }
    while result.utf8.count > 1 && result.hasSuffix("/") { result.removeLast() }
    return result
  }
}
