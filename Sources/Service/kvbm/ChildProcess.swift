import Glibc

/// Runs a command for its output, with a deadline.
enum ChildProcess {
  /// How it ended.
  enum Outcome {
    /// By itself: its exit status as the shell counts it, and its standard output.
    case ended(status: Int32, output: String)
    /// It took too long, and was ended with all that it started in its process group.
    case timedOut
    /// It did not start.
    case notStarted(errno: Int32)
  }

  private static let outputBytesMax = 1 << 20
  private static let pollMilliseconds: Int32 = 50

  /// Runs `arguments[0]`, looked up in PATH. Input and errors go nowhere.
  static func run(_ arguments: [String], timeoutSeconds: Int) -> Outcome {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return .notStarted(errno: errno) }
    let (readEnd, writeEnd) = (ends[0], ends[1])
    defer { close(readEnd) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
    var pid: pid_t = 0
    let code = spawn(arguments, output: writeEnd, pid: &pid)
    close(writeEnd)
    guard code == 0 else { return .notStarted(errno: code) }
    return collect(pid, readEnd, timeoutSeconds: timeoutSeconds)
  }

  private static func spawn(_ arguments: [String], output: Int32, pid: inout pid_t) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    // A group of its own, so that what it starts can be ended with it.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return posix_spawnp(&pid, pointers[0]!, &actions, &attributes, pointers, environ)
  }

  private static func collect(_ pid: pid_t, _ fd: Int32, timeoutSeconds: Int) -> Outcome {
    var output: [UInt8] = []
    var status: Int32 = 0
    var isOpen = true
    let deadline = seconds + Double(timeoutSeconds)
    while seconds < deadline {
      var watch = pollfd(fd: isOpen ? fd : -1, events: Int16(POLLIN), revents: 0)
      poll(&watch, 1, pollMilliseconds)
      // What it left running may hold the pipe open; its own end is what counts. Asked before the
      // pipe is emptied, so that its last words are in it.
      let hasEnded = waitpid(pid, &status, WNOHANG) == pid
      isOpen = isOpen && drain(fd, into: &output)
      if hasEnded {
        return .ended(status: shellStatus(status), output: String(decoding: output, as: UTF8.self))
      }
    }
    kill(-pid, SIGKILL)
    waitpid(pid, &status, 0)
    return .timedOut
  }

  /// Takes what the pipe has without waiting; false at its end.
  private static func drain(_ fd: Int32, into output: inout [UInt8]) -> Bool {
    var part = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(fd, &part, part.count)
      if count == 0 { return false }
      guard count > 0 else { return true }
      output += part[..<min(count, max(0, outputBytesMax - output.count))]
    }
  }

  /// The exit code, or 128 and the signal.
  private static func shellStatus(_ status: Int32) -> Int32 {
    status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  }

  private static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
