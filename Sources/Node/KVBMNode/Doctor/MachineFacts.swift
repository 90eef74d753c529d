import CLinux
import Glibc

/// What this machine allows, as it was found out by asking the kernel and by trying.
public struct MachineFacts: Hashable, Sendable {
  /// A limit of the process; nil for none.
  public struct Limit: Hashable, Sendable {
    /// What holds now.
    public var soft: Int?
    /// What the process may raise it to.
    public var hard: Int?

    /// A limit of these two.
    public init(soft: Int?, hard: Int?) {
      self.soft = soft
      self.hard = hard
    }
  }

  /// Bytes that may be locked in memory.
  public var lockedBytes = Limit(soft: nil, hard: nil)
  /// Descriptors that may be open.
  public var openFiles = Limit(soft: nil, hard: nil)
  /// Bytes that a file may have, an anonymous one too.
  public var fileBytes = Limit(soft: nil, hard: nil)
  /// Bytes that could be taken now, without a reserve; nil where it cannot be told.
  public var availableBytes: Int?
  /// The text of `shmem_enabled`, as in "always within_size advise [never] deny force".
  public var sharedHugePages: String?
  /// The errno of making and mapping an anonymous file; 0 when it works.
  public var memfdError: Int32 = 0
  /// The errno of watching a process by descriptor; 0 when it works.
  public var pidfdError: Int32 = 0
  /// The errno of making an io_uring; 0 when it works.
  public var ioUringError: Int32 = 0
  /// As in "6.1.0-18-amd64".
  public var kernel = ""
  /// As in "2.36".
  public var glibc = ""

  /// Facts that are all well; for tests.
  public init() {}

  /// Takes the facts of this machine and process.
  public static func read() -> MachineFacts {
    var facts = MachineFacts()
    facts.lockedBytes = limit(CLINUX_LIMIT_LOCKED_BYTES)
    facts.openFiles = limit(CLINUX_LIMIT_OPEN_FILES)
    facts.fileBytes = limit(CLINUX_LIMIT_FILE_BYTES)
    let available = AvailableMemory.bytes(reserveBytes: 0)
    facts.availableBytes = available == Int.max ? nil : available
    facts.sharedHugePages = text(of: "/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    facts.memfdError = tryMemfd()
    let pidfd = clinux_pidfd_open(getpid())
    facts.pidfdError = pidfd < 0 ? errno : 0
    if pidfd >= 0 { close(pidfd) }
    facts.ioUringError = clinux_try_io_uring()
    var release = [CChar](repeating: 0, count: 256)
    if clinux_kernel_release(&release, Int32(release.count)) == 0 {
      facts.kernel = release.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
    facts.glibc = String(cString: clinux_glibc_version())
    return facts
  }

  private static func limit(_ which: clinux_limit) -> Limit {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard clinux_limit(which, &soft, &hard) == 0 else { return Limit(soft: nil, hard: nil) }
    let none = UInt64.max
    return Limit(
      soft: soft == none ? nil : Int(clamping: soft),
      hard: hard == none ? nil : Int(clamping: hard))
  }

  private static func tryMemfd() -> Int32 {
    let bytes = 4096
    let fd = clinux_memfd("kvbm-doctor", bytes)
    guard fd >= 0 else { return errno }
    defer { close(fd) }
    guard clinux_fallocate(fd, 1, 0, Int64(bytes)) == 0 else { return errno }
    let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    guard let address, address != MAP_FAILED else { return errno }
    munmap(address, bytes)
    return 0
  }

  private static func text(of path: String) -> String? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = Glibc.read(fd, &bytes, bytes.count)
    guard count > 0 else { return nil }
    let text = String(decoding: bytes[..<count], as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}
