/// Which of the kernel's cgroup interfaces a group is described in.
enum CgroupVersion: Hashable, Sendable {
  /// A hierarchy for each controller.
  case v1
  /// One hierarchy for all.
  case v2

  /// Where the hierarchy is mounted, below the root.
  var mount: String {
    switch self {
    case .v1: "sys/fs/cgroup/memory"
    case .v2: "sys/fs/cgroup"
    }
  }

  /// The files of limit and use, and the field of `memory.stat` for clean page cache.
  var fileNames: (limit: String, usage: String, inactiveFile: String) {
    switch self {
    case .v1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    case .v2: ("memory.max", "memory.current", "inactive_file")
    }
  }
}

extension MemoryHeadroom {
  /// A process's place in a cgroup hierarchy.
  struct Cgroup: Hashable, Sendable {
    /// Whose files and mount to look for.
    var version: CgroupVersion
    /// From the hierarchy's root, with a leading slash.
    var path: String
  }

  /// MemAvailable of `/proc/meminfo`, in bytes.
  static func availableBytes(meminfo text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
      guard let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
        kibibytes >= 0, kibibytes <= Int.max >> 10
      else { return nil }
      return kibibytes << 10
    }
    return nil
  }

  /// The memory cgroups of `/proc/self/cgroup`.
  static func cgroups(_ text: String) -> [Cgroup] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3, fields[2].hasPrefix("/") else { return nil }
      let path = String(fields[2])
      if fields[0] == "0" && fields[1].isEmpty { return Cgroup(version: .v2, path: path) }
      let isMemory = fields[1].split(separator: ",").contains("memory")
      return isMemory ? Cgroup(version: .v1, path: path) : nil
    }
  }

  /// The group's directory and those of all groups above it, below the root.
  ///
  /// Inside a container the path may be the host's, and then only the mount itself exists.
  static func directories(of group: Cgroup) -> [String] {
    var result = [group.version.mount]
    var path = group.version.mount
    for name in group.path.split(separator: "/") where name != ".." && name != "." {
      path += "/" + name
      result.append(path)
    }
    return result
  }

  /// A limit in bytes; nil for "max" and for the v1 spelling of no limit.
  static func limitBytes(_ text: String) -> Int? {
    number(text).flatMap { $0 >= 1 << 62 ? nil : $0 }
  }

  /// The one number of a file.
  static func number(_ text: String) -> Int? {
    text.split(whereSeparator: { $0.isWhitespace }).first.flatMap { Int($0) }
      .flatMap { $0 >= 0 ? $0 : nil }
  }

  /// A field of `memory.stat`.
  static func field(_ name: String, of text: String) -> Int? {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2 && words[0] == name {
        return Int(words[1]).flatMap { $0 >= 0 ? $0 : nil }
      }
    }
    return nil
  }
}
