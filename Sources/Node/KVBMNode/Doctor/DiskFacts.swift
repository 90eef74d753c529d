import CLinux
import Glibc

/// What a directory's file system does for a disk tier, found out with a small file of our own.
public struct DiskFacts: Sendable {
  /// The directory, or where it would be made.
  public var directory: DirectoryFacts
  /// A page went around the page cache and came back.
  public var supportsDirectIO = false
  /// Blocks can be had before they are written.
  public var supportsFallocate = false
  /// The errno of writing and reading at all; 0 when it works.
  public var writeError: Int32 = 0
  /// The type as in statfs(2); 0 where it is not known.
  public var filesystem: Int64 = 0

  /// Tries the directory, or the nearest one above it; the file is gone afterwards.
  public static func probe(_ path: String) -> DiskFacts {
    var facts = DiskFacts(directory: DirectoryFacts(path))
    guard facts.directory.obstacle == nil else { return facts }
    facts.filesystem = clinux_filesystem_type(facts.directory.nearest)
    let file = "\(facts.directory.nearest)/.kvbm-doctor-\(getpid())"
    unlink(file)
    defer { unlink(file) }
    let direct = clinux_open_data(file, 1, 1)
    if direct >= 0 {
      facts.supportsDirectIO = roundTrip(direct) == 0
      close(direct)
    }
    let buffered = clinux_open_data(file, 1, 0)
    guard buffered >= 0 else {
      facts.writeError = errno
      return facts
    }
    facts.writeError = roundTrip(buffered)
    facts.supportsFallocate = clinux_fallocate(buffered, 0, 0, 65_536) == 0
    close(buffered)
    return facts
  }

  private static func roundTrip(_ fd: Int32) -> Int32 {
    let count = 4096
    let page = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: count)
    defer { page.deallocate() }
    page.initializeMemory(as: UInt8.self, repeating: 0xA5, count: count)
    guard pwrite(fd, page, count, 0) == count else { return errno == 0 ? EIO : errno }
    page.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    guard pread(fd, page, count, 0) == count else { return errno == 0 ? EIO : errno }
    return page.load(fromByteOffset: count - 1, as: UInt8.self) == 0xA5 ? 0 : EIO
  }
}

extension DiskFacts {
  private static let freeBytesWanted = 1 << 30
  /// File systems that are memory, or that another machine has: by their statfs numbers.
  private static let memoryTypes: [Int64: String] = [0x0102_1994: "tmpfs", 0x8584_58f6: "ramfs"]
  private static let remoteTypes: [Int64: String] = [
    0x6969: "NFS", 0xff53_4d42: "SMB", 0xfe53_4d42: "SMB", 0x0bd0_0bd0: "Lustre",
    0x00c3_6400: "Ceph", 0x0102_1997: "9p", 0x6573_5546: "FUSE",
  ]

  /// A judgement of each fact. Pure.
  public var findings: [Finding] {
    let path = directory.path
    if let obstacle = directory.obstacle {
      return [
        .failure("disk", obstacle, remedy: "Give a directory that this user may write")
      ]
    }
    if writeError != 0 {
      return [
        .failure(
          "disk", "\(path) cannot be written: \(String(cString: strerror(writeError)))",
          remedy: writeError == ENOSPC || writeError == EDQUOT
            ? "Free some space there" : "Give a directory of this user on a local SSD")
      ]
    }
    var found: [Finding] = [
      .fine("disk", directory.exists ? path : "\(path) will be made in \(directory.nearest)")
    ]
    found.append(spaceFinding)
    if let name = Self.memoryTypes[filesystem] {
      found.append(
        .warning(
          "disk type", "\(name) is memory and gone after a restart",
          remedy: "Give a directory on a local SSD"))
    } else if let name = Self.remoteTypes[filesystem] {
      found.append(
        .warning(
          "disk type", "\(name) is slower than a local disk, and locks may not hold there",
          remedy: "Give a directory on a local SSD"))
    }
    found.append(
      supportsDirectIO
        ? .fine("O_DIRECT", "works")
        : .warning(
          "O_DIRECT", "\(directory.nearest) has none; blocks go through the page cache",
          remedy: "It works, slower; ext4 and XFS on a local disk have it"))
    found.append(
      supportsFallocate
        ? .fine("fallocate", "works")
        : .warning(
          "fallocate", "\(directory.nearest) has none; a full disk shows late",
          remedy: "It works; keep the disk tier's size below the free space"))
    return found
  }

  private var spaceFinding: Finding {
    guard let free = directory.freeBytes else {
      return .warning(
        "disk space", "how much is free cannot be told",
        remedy: "Keep the disk tier's size below it")
    }
    if free < Self.freeBytesWanted {
      return .warning(
        "disk space", "\(ByteSize(bytes: free)) free",
        remedy: "Free some, or give another directory")
    }
    return .fine("disk space", "\(ByteSize(bytes: free)) free")
  }
}
