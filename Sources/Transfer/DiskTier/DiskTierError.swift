import Glibc

/// Why a disk store cannot be opened, grown or read. Nothing was changed but what is named.
public enum DiskTierError: Error, Hashable, Sendable {
  /// A system call on a path failed.
  case system(call: String, path: String, errno: Int32)
  /// Another process serves from this directory.
  case inUse(path: String, holder: Int32?)
  /// The store was made by a later version, in a form that this one does not know.
  case newerFormat(path: String, version: Int, known: Int)
  /// A size that cannot be.
  case badSize(field: String, bytes: Int)
  /// Bytes that were written for a trial did not come back, or not as they were.
  case unsound(path: String, errno: Int32?)
  /// The kernel gives no io_uring to this process.
  case noRing(errno: Int32)
  /// No extent fits into the configured capacity any more, or the file system is full.
  case full(path: String, capacityBytes: Int, fileSystem: Bool)
}

extension DiskTierError: CustomStringConvertible {
  /// What failed, where, why, and what to do about it.
  public var description: String {
    switch self {
    case .system(let call, let path, let code):
      "\(call) \(path): \(errorText(code)). \(Self.remedy(code))"
    case .inUse(let path, let holder):
      "\(path) is in use by another process\(holder.map { " (pid \($0))" } ?? ""). "
        + "Stop that process, or give this one a directory of its own."
    case .newerFormat(let path, let version, let known):
      "\(path) has store format \(version), this version knows up to \(known). "
        + "Use the version that made it, or another directory; nothing was changed."
    case .badSize(let field, let bytes):
      "\(field) of \(bytes) bytes is not possible here."
    case .unsound(let path, let code):
      "\(path): what was written for a trial "
        + (code.map { "cannot be written and read: \(errorText($0)). \(Self.remedy($0))" }
          ?? "came back with other bytes. Check the device (dmesg, smartctl) and its memory.")
    case .noRing(let code):
      "io_uring is not to be had here: \(errorText(code)). Allow it (a container's seccomp "
        + "profile, kernel.io_uring_disabled; Linux 5.7 or newer), or choose the driver "
        + "\"threads\"."
    case .full(let path, let capacityBytes, let fileSystem):
      fileSystem
        ? "\(path): the file system is full. Free some space or lower the disk capacity."
        : "\(path): the configured capacity of \(capacityBytes) bytes is in use."
    }
  }

  private static func remedy(_ code: Int32) -> String {
    switch code {
    case EACCES, EPERM: "Let this user read and write there, or name another directory."
    case EROFS: "The file system is read-only; name another directory."
    case ENOSPC, EDQUOT: "Free some space or lower the disk capacity."
    case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n)."
    case ENOTDIR, ELOOP: "Name a path whose parts are all directories."
    case ENOENT: "Check the path's spelling, or make its parent directory."
    case EIO: "The device reports errors; check it (dmesg, smartctl)."
    default: "Check the path and the device."
    }
  }
}

/// The C library's text for an error number.
package func errorText(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    strerror_r(code, buffer.baseAddress!, buffer.count) == 0
      ? String(cString: buffer.baseAddress!) : "error \(code)"
  }
}
