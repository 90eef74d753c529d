import Glibc

/// The Python package that this command lies in, as `swift_kvbm/bin/kvbm`.
enum InstalledPackage {
  /// What belongs on Python's path: the directory that has the package in it.
  static var parent: String { directory ?? "the directory above swift_kvbm" }

  /// The interpreter whose site-packages it is in; nil in a checkout.
  static var interpreter: String? {
    guard let directory else { return nil }
    // PREFIX/lib/python3.11/site-packages
    let parts = directory.split(separator: "/")
    guard parts.count > 3, parts.last == "site-packages",
      parts[parts.count - 2].hasPrefix("python")
    else { return nil }
    let path = "/" + parts.dropLast(3).joined(separator: "/") + "/bin/python"
    return access(path, X_OK) == 0 ? path : nil
  }

  private static let directory: String? = {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return nil }
    let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let parts = path.split(separator: "/")
    guard parts.count > 3, parts[parts.count - 3] == "swift_kvbm" else { return nil }
    return "/" + parts.dropLast(3).joined(separator: "/")
  }()
}
