import Glibc

extension MachineFacts {
  /// A node opens one file an extent, some 512 at most, and a few for each engine.
  private static let openFilesWanted = 1_024
  /// Sockets, rings and a handful of extents.
  private static let openFilesMin = 128
  /// What the connector takes when it is not told.
  private static let hostBytesDefault = 4 << 30
  /// pidfd_open came with it.
  private static let kernelMin = (5, 3)
  /// What the binaries are built for.
  private static let glibcMin = (2, 34)

  /// A judgement of each fact. Pure: the same facts give the same findings.
  public var findings: [Finding] {
    [
      kernelFinding, glibcFinding, memoryFinding, fileBytesFinding, openFilesFinding,
      lockedFinding, hugePagesFinding, memfdFinding, pidfdFinding, ioUringFinding,
    ]
  }

  private var kernelFinding: Finding {
    guard let version = Self.version(kernel) else {
      return .warning(
        "kernel", "the release \"\(kernel)\" is not understood",
        remedy: "Linux \(Self.kernelMin.0).\(Self.kernelMin.1) or newer is needed")
    }
    guard version >= Self.kernelMin else {
      return .failure(
        "kernel", "\(kernel) has no pidfd_open",
        remedy: "Use Linux \(Self.kernelMin.0).\(Self.kernelMin.1) or newer")
    }
    return .fine("kernel", kernel)
  }

  private var glibcFinding: Finding {
    guard let version = Self.version(glibc), version >= Self.glibcMin else {
      return .failure(
        "glibc", glibc.isEmpty ? "not known" : glibc,
        remedy: "Use a system with glibc \(Self.glibcMin.0).\(Self.glibcMin.1) or newer")
    }
    return .fine("glibc", glibc)
  }

  private var memoryFinding: Finding {
    let reserve = NodeConfiguration.hostReserveBytesDefault
    guard let availableBytes else {
      return .warning(
        "memory", "how much is free cannot be told",
        remedy: "Make /proc readable, or a host tier can take more than there is")
    }
    let usable = max(0, availableBytes - reserve)
    let text =
      "\(ByteSize(bytes: availableBytes)) free in machine and cgroup, "
      + "\(ByteSize(bytes: usable)) of it beyond the reserve"
    if usable < NodeConfiguration.capacityBytesMin {
      return .failure("memory", text, remedy: "Free memory or raise the cgroup's limit")
    }
    if usable < Self.hostBytesDefault {
      return .warning(
        "memory", text,
        remedy: "The host tier of \(ByteSize(bytes: Self.hostBytesDefault)) that is the default "
          + "will be smaller; free memory, raise the cgroup's limit or give less")
    }
    return .fine("memory", text)
  }

  private var fileBytesFinding: Finding {
    guard let bytes = fileBytes.soft else { return .fine("file size limit", "none") }
    // The kernel refuses a longer file, an anonymous one too.
    let text = "\(ByteSize(bytes: bytes)), and host memory is one file as long as the host tier"
    let remedy = "Lift it (ulimit -f unlimited, LimitFSIZE=infinity)"
    return bytes < availableBytes ?? Int.max
      ? .failure("file size limit", text, remedy: remedy)
      : .warning("file size limit", text, remedy: remedy)
  }

  private var openFilesFinding: Finding {
    guard let count = openFiles.soft, count < Self.openFilesWanted else {
      return .fine("open files", openFiles.soft.map { "\($0)" } ?? "no limit")
    }
    let remedy =
      "Raise it to \(Self.openFilesWanted) or more (ulimit -n, LimitNOFILE=): the disk tier keeps "
      + "one file open for each extent"
    return count < Self.openFilesMin
      ? .failure("open files", "\(count)", remedy: remedy)
      : .warning("open files", "\(count)", remedy: remedy)
  }

  private var lockedFinding: Finding {
    guard let bytes = lockedBytes.soft else { return .fine("locked memory", "no limit") }
    return .fine(
      "locked memory",
      "\(ByteSize(bytes: bytes)); enough: this release locks none (GPUs and RDMA need it)")
  }

  private var hugePagesFinding: Finding {
    guard let text = sharedHugePages else {
      return .fine("huge pages", "none in this kernel; host memory is in 4 KiB pages")
    }
    let chosen =
      text.split(separator: "[").dropFirst().first?.split(separator: "]").first.map(String.init)
      ?? text
    if ["always", "within_size", "force"].contains(chosen) {
      return .fine("huge pages", "\(chosen) for shared memory")
    }
    return .warning(
      "huge pages", "\"\(chosen)\" for shared memory; host memory is in 4 KiB pages",
      remedy: "To have large ones: echo within_size > "
        + "/sys/kernel/mm/transparent_hugepage/shmem_enabled")
  }

  private var memfdFinding: Finding {
    guard memfdError == 0 else {
      return .failure(
        "memfd", Self.reason(memfdError),
        remedy: "Allow memfd_create, fallocate and file seals (a seccomp profile or container "
          + "runtime forbids them): host memory is made of them")
    }
    return .fine("memfd", "works")
  }

  private var pidfdFinding: Finding {
    guard pidfdError == 0 else {
      return .failure(
        "pidfd", Self.reason(pidfdError),
        remedy: "Allow pidfd_open (a seccomp profile or container runtime forbids it): without it "
          + "the node cannot know when an engine has ended")
    }
    return .fine("pidfd", "works")
  }

  private var ioUringFinding: Finding {
    guard ioUringError == 0 else {
      return .warning(
        "io_uring", "not allowed (\(Self.reason(ioUringError))); the disk tier uses threads",
        remedy: "It works, slower. Allow io_uring_setup and io_uring_enter (a container's seccomp "
          + "profile, kernel.io_uring_disabled; Linux 5.7 or newer)")
    }
    return .fine("io_uring", "works")
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

  /// The first two numbers of a version: (6, 1) of "6.1.0-18-amd64".
  static func version(_ text: String) -> (Int, Int)? {
    let parts = text.split(separator: ".", maxSplits: 2)
    guard parts.count >= 2, let major = Int(parts[0]),
      let minor = Int(parts[1].prefix { $0.isNumber })
    else { return nil }
    return (major, minor)
  }
}
