import Glibc

/// Why a file could not be read.
public struct TraceFileError: Error, CustomStringConvertible {
  /// The reason, to be written behind the file's name.
  public let description: String
}

/// Reads a trace's bytes, unpacked where they are gzipped.
public enum TraceFile {
  /// More than that is refused: it would have to be held in memory.
  public static let bytesMax = 8 << 30

  /// The file's bytes; gzip's are recognised by their first two, and unpacked by `gzip`.
  ///
  /// - Throws: `TraceFileError` for a file that cannot be opened, read or unpacked, or is too long.
  public static func read(_ path: String) throws(TraceFileError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TraceFileError(description: reason(errno)) }
    defer { close(file) }
    var magic: [UInt8] = [0, 0]
    let isPacked = pread(file, &magic, 2, 0) == 2 && magic == [0x1f, 0x8b]
    return isPacked ? try unpack(file) : try readAll(file)
  }

  private static func readAll(_ file: Int32) throws(TraceFileError) -> [UInt8] {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = Glibc.read(file, &part, part.count)
      if count == 0 { return bytes }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw TraceFileError(description: reason(errno)) }
      guard bytes.count + count <= bytesMax else {
        throw TraceFileError(description: "more than \(bytesMax >> 30) GiB")
      }
      bytes += part[..<count]
    }
  }

  /// Runs `gzip -dc` with the file as its input.
  private static func unpack(_ file: Int32) throws(TraceFileError) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw TraceFileError(description: reason(errno)) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    // The caller says what is wrong, and with which file.
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("gzip"), strdup("-dc"), nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    let code = posix_spawnp(&child, "gzip", &actions, nil, &arguments, environ)
    close(ends[1])
    defer { close(ends[0]) }
    guard code == 0 else {
      throw TraceFileError(description: "gzip, which unpacks it: \(reason(code))")
    }
    let bytes = Result { () throws(TraceFileError) in try readAll(ends[0]) }
    // Whatever was wrong, the child does not outlive this call.
    if case .failure = bytes { kill(child, SIGKILL) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    let unpacked = try bytes.get()
    guard status == 0 else { throw TraceFileError(description: "gzip cannot unpack it") }
    return unpacked
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
